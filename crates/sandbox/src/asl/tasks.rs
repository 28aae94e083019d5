//! What a Task state can call: the sandbox's own services, as the state machine's role, with the request and answer
//! shapes of Step Functions' SDK integrations.

mod cloudwatch;
mod organizations;

use serde_json::{Map, Value, json};

use super::machine::{Failure, Machine};
use crate::World;
use crate::faults::FaultAction;
use crate::policy::{Request, RequestContext, allowed_by};
use crate::refusal::{Answer, Refusal};
use crate::sesv2;
use billctl_core::model::{AccountId, Arn, REGION};
use billctl_core::service::account::{BILLING_CONTACT, GET_ALTERNATE_CONTACT};
use billctl_core::service::cloudformation::{DESCRIBE_STACK_INSTANCE, DESCRIBE_STACK_SET, Parameters};
use billctl_core::service::cloudwatch::{DESCRIBE_ALARMS, GET_METRIC_DATA, LIST_METRICS};
use billctl_core::service::organizations::{DESCRIBE_ACCOUNT, LIST_TAGS_FOR_RESOURCE};
use billctl_core::service::sesv2::SEND_EMAIL;
use billctl_core::service::sfn::START_EXECUTION;
use billctl_core::service::{Kind, Operation, Service};

/// A service as Step Functions calls it.
#[derive(Clone, Copy)]
struct Integration {
    /// Stands before the errors' names.
    prefix: &'static str,
    /// What throttling is called there.
    throttled: &'static str,
    /// What a missing permission is called there: where the API model has no such error, Step Functions names the
    /// service's general exception.
    denied: &'static str,
}

impl Integration {
    const fn new(prefix: &'static str, throttled: &'static str, denied: &'static str) -> Self {
        Self {
            prefix,
            throttled,
            denied,
        }
    }

    /// A call of this service.
    fn action(self, operation: Operation, run: fn(&mut Call<'_>) -> Answer<Value>, parameters: &'static str) -> Action {
        Action {
            service: self,
            operation,
            run,
            parameters,
        }
    }
}

const ORGANIZATIONS: Integration =
    Integration::new("Organizations", "TooManyRequestsException", "AccessDeniedException");
const CLOUDWATCH: Integration = Integration::new("CloudWatch", "CloudWatchException", "CloudWatchException");
const CLOUDFORMATION: Integration =
    Integration::new("CloudFormation", "CloudFormationException", "CloudFormationException");
const SESV2: Integration = Integration::new("SesV2", "TooManyRequestsException", "SesV2Exception");
const ACCOUNT: Integration = Integration::new("Account", "TooManyRequestsException", "AccessDeniedException");
const SNS: Integration = Integration::new("Sns", "ThrottledException", "AuthorizationErrorException");
const STEP_FUNCTIONS: Integration = Integration::new("StepFunctions", "ThrottlingException", "AccessDeniedException");
const SFN: Integration = Integration::new("Sfn", "SfnException", "SfnException");

/// What both ways to start an execution take.
const START_PARAMETERS: &str = "StateMachineArn Name Input TraceHeader";

/// A call that a state machine can make.
struct Action {
    service: Integration,
    /// The operation, for its IAM action and for faults.
    operation: Operation,
    run: fn(&mut Call<'_>) -> Answer<Value>,
    /// The parameters that it takes, with spaces between; Step Functions refuses others.
    parameters: &'static str,
}

/// One call under way.
struct Call<'a> {
    world: &'a mut World,
    role: &'a Arn,
    machine: &'a Arn,
    action: &'a Action,
    arguments: &'a Map<String, Value>,
}

/// The call that a `Resource` names.
fn action(resource: &str) -> Option<Action> {
    Some(match resource.strip_prefix("arn:aws:states:::")? {
        "aws-sdk:organizations:describeAccount" => {
            ORGANIZATIONS.action(DESCRIBE_ACCOUNT, organizations::describe_account, "AccountId")
        }
        "aws-sdk:organizations:listTagsForResource" => {
            ORGANIZATIONS.action(LIST_TAGS_FOR_RESOURCE, organizations::list_tags, "ResourceId NextToken")
        }
        "aws-sdk:organizations:listParents" => ORGANIZATIONS.action(
            Operation::read(Service::Organizations, "ListParents"),
            organizations::list_parents,
            "ChildId MaxResults NextToken",
        ),
        "aws-sdk:organizations:describeOrganizationalUnit" => ORGANIZATIONS.action(
            Operation::read(Service::Organizations, "DescribeOrganizationalUnit"),
            organizations::describe_ou,
            "OrganizationalUnitId",
        ),
        "aws-sdk:cloudwatch:getMetricData" => CLOUDWATCH.action(
            GET_METRIC_DATA,
            cloudwatch::get_metric_data,
            "StartTime EndTime ScanBy MetricDataQueries MaxDatapoints NextToken LabelOptions",
        ),
        "aws-sdk:cloudwatch:listMetrics" => CLOUDWATCH.action(
            LIST_METRICS,
            cloudwatch::list_metrics,
            "Namespace MetricName Dimensions NextToken RecentlyActive",
        ),
        "aws-sdk:cloudwatch:describeAlarms" => CLOUDWATCH.action(
            DESCRIBE_ALARMS,
            cloudwatch::describe_alarms,
            "AlarmNames AlarmTypes MaxRecords NextToken",
        ),
        "aws-sdk:cloudformation:describeStackInstance" => CLOUDFORMATION.action(
            DESCRIBE_STACK_INSTANCE,
            describe_stack_instance,
            "StackSetName StackInstanceAccount StackInstanceRegion CallAs",
        ),
        "aws-sdk:cloudformation:describeStackSet" => {
            CLOUDFORMATION.action(DESCRIBE_STACK_SET, describe_stack_set, "StackSetName CallAs")
        }
        "aws-sdk:sesv2:sendEmail" => SESV2.action(
            SEND_EMAIL,
            send_email,
            "FromEmailAddress FromEmailAddressIdentityArn Destination ReplyToAddresses Content EmailTags \
             ConfigurationSetName",
        ),
        "aws-sdk:account:getAlternateContact" => ACCOUNT.action(
            GET_ALTERNATE_CONTACT,
            alternate_contact,
            "AccountId AlternateContactType",
        ),
        "aws-sdk:sns:publish" => SNS.action(
            crate::sns::PUBLISH,
            publish,
            "TopicArn Subject Message MessageAttributes MessageStructure",
        ),
        "states:startExecution" => STEP_FUNCTIONS.action(START_EXECUTION, start_execution, START_PARAMETERS),
        "aws-sdk:sfn:startExecution" => SFN.action(START_EXECUTION, start_execution, START_PARAMETERS),
        _ => return None,
    })
}

/// Whether a Task can name this resource.
pub(super) fn is_known(resource: &str) -> bool {
    action(resource).is_some()
}

/// Makes the call.
pub(super) fn call(world: &mut World, machine: &Machine, resource: &str, arguments: &Value) -> Result<Value, Failure> {
    let action = action(resource).ok_or_else(|| Failure::new("States.Runtime", format!("no resource `{resource}`")))?;
    let arguments = arguments
        .as_object()
        .ok_or_else(|| Failure::new("States.Runtime", "The Arguments must be an object."))?;
    let takes = |key: &&String| action.parameters.split(' ').any(|known| known == **key);
    if let Some(unknown) = arguments.keys().find(|key| !takes(key)) {
        return Err(Failure::new(
            "States.Runtime",
            format!("The field \"{unknown}\" is not supported by Step Functions"),
        ));
    }
    let fail = |name: &str, message: &str| {
        // Step Functions ends the names of errors with `Exception`.
        let end = if name.ends_with("Exception") { "" } else { "Exception" };
        Failure::new(
            format!("{}.{name}{end}", action.service.prefix),
            format!("{message} (Service: {}, Status Code: 400)", action.service.prefix),
        )
    };
    let nth = world.sfn.next_call();
    if let FaultAction::Refuse(error) = world.faults.action(action.operation, nth) {
        // What the caller of the sandbox lacks says nothing about the state machine's role.
        let name = match error.kind {
            Kind::Throttled => Some(action.service.throttled),
            Kind::Unavailable => Some("SdkClientException"),
            _ => None,
        };
        if let Some(name) = name {
            return Err(fail(name, &error.message));
        }
    }
    (action.run)(&mut Call {
        world,
        role: &machine.role,
        machine: &machine.arn,
        action: &action,
        arguments,
    })
    .map_err(|refusal| fail(refusal.code, &refusal.message))
}

impl Call<'_> {
    fn text(&self, parameter: &str) -> Answer<&str> {
        self.arguments
            .get(parameter)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| self.invalid(format!("{parameter} is missing")))
    }

    fn optional(&self, parameter: &str) -> Option<&str> {
        self.arguments.get(parameter).and_then(Value::as_str)
    }

    fn invalid(&self, message: impl Into<String>) -> Refusal {
        Refusal::invalid(
            match self.action.service.prefix {
                "Organizations" => "InvalidInputException",
                "SesV2" => "BadRequestException",
                _ => "ValidationException",
            },
            message,
        )
    }

    /// Whether the role may do this action on the resource.
    fn authorize(&self, resource: &str) -> Answer<()> {
        self.authorize_with(resource, &RequestContext::default())
    }

    fn authorize_with(&self, resource: &str, context: &RequestContext) -> Answer<()> {
        let iam = &self.world.iam;
        let action = self.action.operation.iam_action();
        let assume = self.world.assume_context(self.machine);
        let why = if !iam.assumable(self.role, crate::sfn::STATES_SERVICE, &assume, self.world.now) {
            format!("Step Functions can't assume {}", self.role)
        } else if !iam.allows(self.role, &action, resource, context) {
            format!(
                "User: {} is not authorized to perform: {action} on resource: {resource} because no identity-based policy \
                 allows the {action} action",
                self.role
            )
        } else {
            return Ok(());
        };
        Err(Refusal::denied(self.action.service.denied, why))
    }
}

fn stack_set_arn(call: &Call<'_>, name: &str) -> String {
    // The id after the name is chosen by CloudFormation; policies end in `:*`.
    call.world
        .own_arn("cloudformation", &format!("stackset/{name}:0"))
        .to_string()
}

fn parameter_list(parameters: &Parameters) -> Vec<Value> {
    parameters
        .iter()
        .map(|(key, value)| json!({"ParameterKey": key, "ParameterValue": value}))
        .collect()
}

fn describe_stack_instance(call: &mut Call<'_>) -> Answer<Value> {
    let name = call.text("StackSetName")?;
    let account = call.text("StackInstanceAccount")?;
    let region = call.text("StackInstanceRegion")?;
    call.authorize(&stack_set_arn(call, name))?;
    let overrides = account
        .parse()
        .ok()
        .filter(|_| region == REGION)
        .map(|account| call.world.cloudformation.overrides(name, account));
    match overrides {
        Some(Some(overrides)) => Ok(json!({"StackInstance": {
            "StackSetId": name,
            "Account": account,
            "Region": region,
            "ParameterOverrides": parameter_list(overrides),
        }})),
        Some(None) if call.world.cloudformation.parameters(name).is_none() => Err(no_stack_set(name)),
        _ => Err(Refusal::not_found(
            "StackInstanceNotFoundException",
            format!("Stack instance not found for account {account}, region {region}."),
        )),
    }
}

fn no_stack_set(name: &str) -> Refusal {
    Refusal::not_found("StackSetNotFoundException", format!("StackSet {name} not found"))
}

fn describe_stack_set(call: &mut Call<'_>) -> Answer<Value> {
    let name = call.text("StackSetName")?;
    call.authorize(&stack_set_arn(call, name))?;
    let found = call.world.cloudformation.parameters(name);
    let parameters = found.ok_or_else(|| no_stack_set(name))?;
    Ok(json!({"StackSet": {
        "StackSetName": name,
        "Parameters": parameter_list(parameters),
    }}))
}

/// SES checks the identity, the configuration set and the template (docs/aws-facts.md, "SES: permissions").
fn send_email(call: &mut Call<'_>) -> Answer<Value> {
    let request = sesv2::SendRequest::parse(call.arguments).map_err(|why| call.invalid(why))?;
    let context = RequestContext::default().with("ses:FromAddress", sesv2::bare_address(&request.from));
    for resource in request.resources(call.world) {
        call.authorize_with(&resource, &context)?;
    }
    let id = sesv2::send(call.world, &request)?;
    Ok(json!({"MessageId": id}))
}

fn alternate_contact(call: &mut Call<'_>) -> Answer<Value> {
    if call.text("AlternateContactType")? != BILLING_CONTACT {
        return Err(call.invalid("AlternateContactType isn't one that the sandbox knows"));
    }
    let member = call.optional("AccountId").map(str::parse::<AccountId>).transpose();
    let member = member.map_err(|_| call.invalid("AccountId isn't an account's id"))?;
    let payer = call.world.management_account();
    let organization = &call.world.organizations.id;
    let resource = match member {
        Some(member) => format!("arn:aws:account::{payer}:account/{organization}/{member}"),
        None => format!("arn:aws:account::{payer}:account"),
    };
    call.authorize(&resource)?;
    let address = call.world.billing_contact(payer, member)?;
    Ok(json!({"AlternateContact": {"AlternateContactType": BILLING_CONTACT, "EmailAddress": address}}))
}

/// In the role's own account its policy is enough; another account's topic has to let the role in besides
/// (docs/aws-facts.md, "SNS topics").
fn publish(call: &mut Call<'_>) -> Answer<Value> {
    let topic: Arn = call
        .text("TopicArn")?
        .parse()
        .map_err(|_| Refusal::invalid("InvalidParameterException", "Invalid parameter: TopicArn"))?;
    let subject = call.optional("Subject").unwrap_or_default().to_owned();
    let message = call.text("Message")?.to_owned();
    call.authorize(topic.as_str())?;
    if topic.account() != Some(call.world.management_account()) {
        let action = call.action.operation.iam_action();
        let policy = call.world.sns.policy(&topic).unwrap_or(Value::Null);
        let context = RequestContext::default();
        let request = Request::by_role(call.role.as_str(), &action, topic.as_str(), &context);
        if !allowed_by([&policy], request) {
            let why = format!(
                "User: {} is not authorized to perform: {action} on resource: {topic} because no resource-based policy \
                 allows the {action} action",
                call.role
            );
            return Err(Refusal::denied(call.action.service.denied, why));
        }
    }
    let id = call.world.publish_as_role(&topic, &subject, &message)?;
    Ok(json!({"MessageId": id}))
}

fn start_execution(call: &mut Call<'_>) -> Answer<Value> {
    let machine: Arn = call
        .text("StateMachineArn")?
        .parse()
        .map_err(|_| Refusal::invalid("InvalidArnException", "Invalid Arn"))?;
    call.authorize(machine.as_str())?;
    // The optimised integration takes the input as it is; the SDK integration as a text.
    let input = match call.arguments.get("Input") {
        Some(Value::String(text)) => serde_json::from_str(text)
            .map_err(|_| Refusal::invalid("InvalidExecutionInputException", "Invalid input"))?,
        Some(value) => value.clone(),
        None => json!({}),
    };
    let name = call.optional("Name").map(str::to_owned);
    let started = crate::sfn::start(call.world, &machine, name, input)?;
    Ok(json!({"ExecutionArn": started, "StartDate": super::query::millis_text(call.world.now)}))
}
