//! A sandbox behind an address: the reads that `status` and a `deploy` without changes make of Organizations, StackSets
//! and STS, in AWS's protocols, from another process than the one that asks, so that its time and memory are its own.
//! Everything else is refused, as to somebody who lacks the permission.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use billctl_core::model::AccountId;
use billctl_core::service::cloudformation::{Parameters, StackInstance, StackSet};
use billctl_core::service::{Page, ServiceError, Services};
use futures::executor::block_on;
use serde_json::{Value, json};

/// How often each operation was called.
pub(crate) type Counts = BTreeMap<String, u64>;

/// The address, and what was asked there.
pub(crate) struct Served {
    /// As `AWS_ENDPOINT_URL` takes it.
    pub url: String,
    counts: Arc<Mutex<Counts>>,
}

/// A request: its operation, and what it says.
struct Request {
    operation: String,
    json: bool,
    said: BTreeMap<String, String>,
}

type Answer = Result<String, ServiceError>;

impl Served {
    /// Serves `services`, which answer at once, with this latency for each call.
    pub(crate) fn serve(services: Services, latency: Duration) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let url = format!("http://{}", listener.local_addr()?);
        let counts = Arc::new(Mutex::new(Counts::new()));
        let seen = counts.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (services, seen) = (services.clone(), seen.clone());
                std::thread::spawn(move || {
                    // The client going away ends the connection.
                    let _ = connection(&stream, &services, &seen, latency);
                });
            }
        });
        Ok(Self { url, counts })
    }

    /// The calls since the last look.
    pub(crate) fn take(&self) -> Counts {
        std::mem::take(&mut self.counts.lock().expect("no thread panics with it"))
    }
}

fn connection(stream: &TcpStream, services: &Services, seen: &Mutex<Counts>, latency: Duration) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader)? {
        let operation = request.operation.clone();
        let mut counts = seen.lock().expect("no thread panics with it");
        *counts.entry(operation).or_default() += 1;
        drop(counts);
        std::thread::sleep(latency);
        let (status, body) = match answer(services, &request) {
            Some(Ok(body)) => (200, body),
            Some(Err(error)) => {
                let code = error.code.unwrap_or_default();
                (400, refusal(request.json, &code, &error.message))
            }
            None => (403, refusal(request.json, "AccessDeniedException", "not served here")),
        };
        let kind = if request.json {
            "application/x-amz-json-1.1"
        } else {
            "text/xml"
        };
        let mut stream = stream;
        write!(
            stream,
            "HTTP/1.1 {status} -\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
    }
    Ok(())
}

/// The next request, unless the connection ends.
fn read(reader: &mut BufReader<&TcpStream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut length = 0;
    let mut target = None;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "x-amz-target" => target = value.trim().rsplit('.').next().map(str::to_owned),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8_lossy(&body);
    Ok(Some(match target {
        Some(operation) => Request {
            operation,
            json: true,
            said: serde_json::from_str::<BTreeMap<String, Value>>(&body)
                .unwrap_or_default()
                .into_iter()
                .filter_map(|(key, value)| Some((key, value.as_str()?.to_owned())))
                .collect(),
        },
        None => {
            let decoded = |text: &str| {
                percent_encoding::percent_decode_str(text)
                    .decode_utf8_lossy()
                    .into_owned()
            };
            let said: BTreeMap<String, String> = body
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .map(|(key, value)| (key.to_owned(), decoded(value)))
                .collect();
            let operation = said.get("Action").cloned().unwrap_or_else(|| line.trim().to_owned());
            Request {
                operation,
                json: false,
                said,
            }
        }
    }))
}

fn refusal(json: bool, code: &str, message: &str) -> String {
    if json {
        json!({"__type": code, "message": message}).to_string()
    } else {
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
             <RequestId>r</RequestId></ErrorResponse>"
        )
    }
}

/// The answer to a request; none where the operation isn't served.
fn answer(services: &Services, request: &Request) -> Option<Answer> {
    let said = |key: &str| request.said.get(key).cloned().unwrap_or_default();
    let token = request.said.get("NextToken").cloned();
    let organizations = &services.organizations;
    let cloudformation = &services.cloudformation;
    let parent = || said("ParentId").parse();
    let set = said("StackSetName");
    Some(match request.operation.as_str() {
        "GetCallerIdentity" => block_on(services.sts.get_caller_identity()).map(|caller| {
            let fields = [
                ("Account", caller.account.to_string()),
                ("Arn", caller.arn.to_string()),
                ("UserId", "AIDAEXAMPLE".to_owned()),
            ];
            query("GetCallerIdentity", &elements(&fields))
        }),
        "DescribeOrganization" => block_on(organizations.describe_organization()).map(|found| {
            let features = if found.all_features {
                "ALL"
            } else {
                "CONSOLIDATED_BILLING"
            };
            json!({"Organization": {
                "Id": found.id.to_string(),
                "Arn": found.arn.to_string(),
                "MasterAccountId": found.management_account.to_string(),
                "FeatureSet": features,
            }})
            .to_string()
        }),
        "ListRoots" => block_on(organizations.list_roots(token)).map(|page| {
            let item =
                |root: &billctl_core::model::OrganizationalUnit| json!({"Id": root.id.as_str(), "Name": root.name});
            listing("Roots", &page, item)
        }),
        "ListOrganizationalUnitsForParent" => {
            let page = block_on(organizations.list_ous_for_parent(&parent().ok()?, token));
            page.map(|page| {
                listing(
                    "OrganizationalUnits",
                    &page,
                    |ou| json!({"Id": ou.id.as_str(), "Name": ou.name}),
                )
            })
        }
        "ListAccountsForParent" => {
            let page = block_on(organizations.list_accounts_for_parent(&parent().ok()?, token));
            page.map(|page| {
                listing("Accounts", &page, |account| {
                    json!({
                        "Id": account.id.to_string(),
                        "Name": account.name,
                        "Email": account.email,
                        "State": account.state.to_string(),
                        "Arn": format!("arn:aws:organizations::111111111111:account/o-a/{}", account.id),
                        "JoinedMethod": "CREATED",
                        "JoinedTimestamp": 1_700_000_000.5,
                    })
                })
            })
        }
        "DescribeStackSet" => {
            let found = block_on(cloudformation.describe_stack_set(&set));
            found.map(|found| query("DescribeStackSet", &stack_set(&found)))
        }
        "ListStackInstances" => {
            let page = block_on(cloudformation.list_stack_instances(&set, None, token));
            page.map(|page| {
                let members: String = page.items.iter().map(instance).collect();
                let next = page.next.map(|next| element("NextToken", &next));
                let inner = format!("<Summaries>{members}</Summaries>{}", next.unwrap_or_default());
                query("ListStackInstances", &inner)
            })
        }
        "ListStackSetOperations" => Ok(query("ListStackSetOperations", "<Summaries/>")),
        "DescribeStackInstance" => {
            let account: AccountId = said("StackInstanceAccount").parse().ok()?;
            let overrides = block_on(cloudformation.describe_overrides(&set, account));
            overrides.map(|overrides| {
                let inner = format!(
                    "<StackInstance><Account>{account}</Account><ParameterOverrides>{}\
                     </ParameterOverrides></StackInstance>",
                    parameters(&overrides)
                );
                query("DescribeStackInstance", &inner)
            })
        }
        _ => return None,
    })
}

fn listing<T>(name: &str, page: &Page<T>, item: impl Fn(&T) -> Value) -> String {
    let items: Vec<Value> = page.items.iter().map(item).collect();
    let mut answer = json!({name: items});
    if let Some(next) = &page.next {
        answer["NextToken"] = json!(next);
    }
    answer.to_string()
}

fn query(operation: &str, inner: &str) -> String {
    format!(
        "<{operation}Response><{operation}Result>{inner}</{operation}Result>\
         <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{operation}Response>"
    )
}

fn element(name: &str, text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!("<{name}>{escaped}</{name}>")
}

fn elements(fields: &[(&str, String)]) -> String {
    fields.iter().map(|(name, text)| element(name, text)).collect()
}

fn parameters(parameters: &Parameters) -> String {
    parameters
        .iter()
        .map(|(key, value)| {
            let fields = [("ParameterKey", key.clone()), ("ParameterValue", value.clone())];
            format!("<member>{}</member>", elements(&fields))
        })
        .collect()
}

/// A word as AWS writes it, of a value that serialises to it.
fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|value| Some(value.as_str()?.to_owned()))
        .unwrap_or_default()
}

fn stack_set(found: &StackSet) -> String {
    let tags: String = found
        .tags
        .iter()
        .map(|(key, value)| {
            let fields = [("Key", key.clone()), ("Value", value.clone())];
            format!("<member>{}</member>", elements(&fields))
        })
        .collect();
    let ous: String = found
        .organizational_units
        .iter()
        .map(|ou| element("member", ou.as_str()))
        .collect();
    let auto = found.auto_deployment.map_or_else(String::new, |auto| {
        format!(
            "<AutoDeployment><Enabled>{}</Enabled>\
             <RetainStacksOnAccountRemoval>{}</RetainStacksOnAccountRemoval></AutoDeployment>",
            auto.enabled, auto.retain_stacks
        )
    });
    let fields = [
        ("StackSetName", found.name.clone()),
        ("Description", found.description.clone()),
        ("Status", "ACTIVE".to_owned()),
        ("PermissionModel", "SERVICE_MANAGED".to_owned()),
        ("TemplateBody", found.template.clone()),
    ];
    format!(
        "<StackSet>{}<Parameters>{}</Parameters><Tags>{tags}</Tags>\
         <OrganizationalUnitIds>{ous}</OrganizationalUnitIds>{auto}\
         <ManagedExecution><Active>{}</Active></ManagedExecution></StackSet>",
        elements(&fields),
        parameters(&found.parameters),
        found.managed_execution,
    )
}

fn instance(one: &StackInstance) -> String {
    let mut fields = vec![
        ("Account", one.account.to_string()),
        ("Region", "us-east-1".to_owned()),
        ("Status", word(one.status)),
        ("DriftStatus", word(one.drift)),
    ];
    if let Some(ou) = &one.ou {
        fields.push(("OrganizationalUnitId", ou.as_str().to_owned()));
    }
    if let Some(stack) = &one.stack_id {
        fields.push(("StackId", stack.clone()));
    }
    if let Some(operation) = &one.last_operation {
        fields.push(("LastOperationId", operation.0.clone()));
    }
    if !one.reason.is_empty() {
        fields.push(("StatusReason", one.reason.clone()));
    }
    let detailed = one.detailed_status.map_or_else(String::new, |status| {
        format!(
            "<StackInstanceStatus><DetailedStatus>{}</DetailedStatus></StackInstanceStatus>",
            word(status)
        )
    });
    format!("<member>{}{detailed}</member>", elements(&fields))
}
