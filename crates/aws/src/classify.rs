//! What an answer means: decided here, from the error *code* alone, never from its text.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::RequestId;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::environment::Environment;
use super::network;
use super::strange::{Strange, is_html};
use super::trouble::Trouble;
use billctl_core::service::{Kind, Operation, Service, ServiceError};
use billctl_core::text::bounded;

/// How much of an answer that isn't AWS's is shown.
const SHOWN: usize = 120;
/// How much of AWS's own words is shown: its longest name an ARN or two and a policy.
pub(super) const LONGEST: usize = 2000;
/// What an answer without a code is told with.
const PAGE: &str = "HTTP ";

/// The SDK's error as ours.
pub(super) fn classify<E>(operation: Operation, error: &SdkError<E, HttpResponse>) -> ServiceError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let found = |kind, code: Option<&str>, message: String| ServiceError {
        operation,
        kind,
        code: code.map(|code| bounded(code, SHOWN)),
        message: bounded(&message, LONGEST),
        request_id: request_id(error).map(|id| bounded(&id, SHOWN).into()),
        remedy: None,
    };
    let troubled = |kind, trouble: Trouble| ServiceError {
        remedy: trouble.remedy.map(Into::into),
        ..found(kind, None, trouble.text)
    };
    if let Some(trouble) = credentials_problem(error) {
        return troubled(Kind::Credentials, trouble);
    }
    let Some(response) = error.raw_response() else {
        let said = chain(error);
        // Refused before it was sent: a required field is empty, a text has no place in a URL, or settings of the
        // endpoint exclude each other.
        let excluded = said.contains("custom endpoint");
        if excluded || matches!(error, SdkError::ConstructionFailure(_)) {
            let remedy = "unset AWS_USE_FIPS_ENDPOINT, AWS_USE_DUALSTACK_ENDPOINT (use_fips_endpoint, \
                use_dualstack_endpoint in the profile) or AWS_ENDPOINT_URL: they exclude each other";
            let remedy = excluded.then(|| remedy.to_owned());
            return troubled(Kind::Invalid, Trouble { text: said, remedy });
        }
        return troubled(Kind::Unavailable, network::unreached(&said, &Environment::of_process()));
    };
    let status = response.status().as_u16();
    let metadata = error.as_service_error().map(ProvideErrorMetadata::meta);
    match metadata.and_then(|meta| meta.code()) {
        Some(code) => {
            let message = metadata.and_then(|meta| meta.message()).unwrap_or_default();
            let kind = kind_of(operation.service, code, status);
            found(kind, Some(code), message.to_owned())
        }
        None => {
            let body = response.body().bytes().unwrap_or_default();
            let kind = match status {
                429 => Kind::Throttled,
                // What AWS's load balancers say, with a page or without, when nothing behind them answers.
                500.. => Kind::Unavailable,
                _ => Kind::Garbled,
            };
            // Half of a session's credentials are its keys.
            let secret = operation.name.starts_with("AssumeRole") && status < 300;
            let message = told(response, body, secret);
            match causes(error).find_map(|cause| cause.downcast_ref()) {
                Some(strange @ Strange::Cut) => found(kind, None, format!("{strange}: {message}")),
                _ => found(kind, None, message),
            }
        }
    }
}

/// An error that has stayed through every retry: a server's error without a code, but with a page, isn't AWS's.
pub(super) fn given_up(mut error: ServiceError) -> ServiceError {
    if error.kind == Kind::Unavailable && error.code.is_none() && is_page(&error.message) {
        error.kind = Kind::Garbled;
    }
    error
}

/// Whether a message is [`without_code`]'s about an answer with a body.
fn is_page(message: &str) -> bool {
    let status = message.strip_prefix(PAGE).and_then(|rest| rest.split_once(": "));
    status.is_some_and(|(status, _)| status.parse::<u16>().is_ok())
}

/// The meaning of an error code that stands for a failed part inside a success, such as an entry of `PutEvents`.
pub(super) fn entry_error(operation: Operation, code: &str, message: &str) -> ServiceError {
    ServiceError::new(operation, kind_of(operation.service, code, 400), code, message)
}

/// What `code` means. The status only decides about codes that nobody has written down.
fn kind_of(service: Service, code: &str, status: u16) -> Kind {
    // `Sender`-side codes of older protocols carry a namespace: `AWS.SimpleQueueService.NonExistentQueue`.
    let short = code.rsplit(['.', '#']).next().unwrap_or(code);
    of_service(service, short)
        .or_else(|| common(short))
        .unwrap_or(match status {
            429 => Kind::Throttled,
            500.. => Kind::Unavailable,
            _ => Kind::Other,
        })
}

/// Codes that mean something else, or something only, in one service (the errors of each operation in the API
/// models, 2026).
fn of_service(service: Service, code: &str) -> Option<Kind> {
    use Service as S;
    Some(match (service, code) {
        (S::CloudFormation, "OperationInProgressException" | "StaleRequestException") => Kind::Busy,
        // The operation was accepted before, and its answer got lost.
        (S::CloudFormation, "OperationIdAlreadyExistsException") => Kind::Exists,
        (S::CloudFormation, "NameAlreadyExistsException" | "CreatedButModifiedException") => Kind::Exists,
        (S::CloudFormation, "StackSetNotEmptyException") => Kind::Other,
        (S::CloudFormation, "InvalidOperationException") => Kind::Invalid,
        (S::CloudWatch, "DashboardNotFoundError") => Kind::NotFound,
        (S::Iam, "DeleteConflict") => Kind::Other,
        (S::Organizations, "AWSOrganizationsNotInUseException") => Kind::NotFound,
        (S::Organizations, "ConstraintViolationException") => Kind::Invalid,
        // SNS's codes have no service of their own in them, and these two words are general.
        (S::Sns, "NotFound") => Kind::NotFound,
        (S::Sns, "InvalidParameter") => Kind::Invalid,
        (S::Sns, "TopicLimitExceeded" | "SubscriptionLimitExceeded") => Kind::Quota,
        // A queue's name is free again 60 seconds after the old queue was deleted; a state machine's once its
        // executions are over.
        (S::Sqs, "QueueDeletedRecently") => Kind::Busy,
        (S::StepFunctions, "StateMachineDeleting") => Kind::Busy,
        _ => return None,
    })
}

/// Codes that mean the same wherever they occur: AWS's common errors, and names that no two services use
/// differently.
fn common(code: &str) -> Option<Kind> {
    Some(match code {
        "AccountNotFoundException"
        | "ExecutionDoesNotExist"
        | "NoSuchEntity"
        | "NonExistentQueue"
        | "NotFoundException"
        | "OperationNotFoundException"
        | "ParentNotFoundException"
        | "QueueDoesNotExist"
        | "ResourceNotFound"
        | "ResourceNotFoundException"
        | "StackInstanceNotFoundException"
        | "StackSetNotFoundException"
        | "StateMachineDoesNotExist"
        | "TargetNotFoundException" => Kind::NotFound,

        "AlreadyExistsException"
        | "EntityAlreadyExists"
        | "ExecutionAlreadyExists"
        | "QueueAlreadyExists"
        | "QueueNameExists"
        | "ResourceAlreadyExistsException"
        | "StateMachineAlreadyExists" => Kind::Exists,

        "BandwidthLimitExceeded"
        | "EC2ThrottledException"
        | "KmsThrottlingException"
        | "PriorRequestNotComplete"
        | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "SlowDown"
        | "Throttling"
        | "ThrottledException"
        | "ThrottlingException"
        | "TooManyRequestsException"
        | "TransactionInProgressException" => Kind::Throttled,
        // Two writes met: a moment later the same one goes through. The gate's pause and its narrower limit are
        // the remedy for both.
        "ConcurrentModification" | "ConcurrentModificationException" | "ConflictException" => Kind::Throttled,

        "AccessDenied"
        | "AccessDeniedException"
        | "AuthorizationError"
        | "AuthorizationErrorException"
        | "InvalidSecurity"
        | "KmsAccessDeniedException"
        | "NotAuthorized"
        | "NotAuthorizedException"
        | "NotAuthorizedForSourceException"
        | "OptInRequired"
        | "SubscriptionRequiredException"
        | "UnauthorizedOperation" => Kind::Denied,

        "AuthFailure"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "RequestExpired"
        | "RequestInTheFuture"
        | "RequestTimeTooSkewed"
        | "SignatureDoesNotMatch"
        | "TokenRefreshRequired"
        | "UnrecognizedClientException" => Kind::Credentials,

        "ExecutionLimitExceeded"
        | "LimitExceeded"
        | "LimitExceededException"
        | "LimitExceededFault"
        | "OverLimit"
        | "PolicyLengthExceededException"
        | "ServiceQuotaExceededException"
        | "StateMachineLimitExceeded" => Kind::Quota,

        "InternalError"
        | "InternalException"
        | "InternalFailure"
        | "InternalServerError"
        | "InternalServerException"
        | "InternalServiceError"
        | "InternalServiceException"
        | "InternalServiceFault"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "ServiceException"
        | "ServiceFailure"
        | "ServiceUnavailable"
        | "ServiceUnavailableException" => Kind::Unavailable,

        "BadRequestException"
        | "InsufficientCapabilities"
        | "InsufficientCapabilitiesException"
        | "InvalidAddress"
        | "InvalidArgument"
        | "InvalidArn"
        | "InvalidAttributeName"
        | "InvalidAttributeValue"
        | "InvalidDefinition"
        | "InvalidEventPatternException"
        | "InvalidExecutionInput"
        | "InvalidInput"
        | "InvalidInputException"
        | "InvalidName"
        | "InvalidNextToken"
        | "InvalidParameterCombination"
        | "InvalidParameterInput"
        | "InvalidParameterValue"
        | "InvalidStateException"
        | "InvalidToken"
        | "MalformedDetail"
        | "MalformedPolicyDocument"
        | "ManagedRuleException"
        | "MissingParameter"
        | "MissingRequiredParameter"
        | "MissingRequiredParameterException"
        | "SerializationException"
        | "StateMachineTypeNotSupported"
        | "TooManyTags"
        | "UnmodifiableEntity"
        | "UnsupportedOperation"
        | "ValidationError"
        | "ValidationException" => Kind::Invalid,

        _ => return None,
    })
}

/// What the credentials chain says, if it is what failed.
fn credentials_problem(error: &(dyn Error + 'static)) -> Option<Trouble> {
    let problem = causes(error).find_map(|cause| cause.downcast_ref::<CredentialsError>())?;
    let known = causes(problem).find_map(|cause| cause.downcast_ref::<Trouble>());
    Some(known.cloned().unwrap_or_else(|| Trouble::new(chain(problem))))
}

/// An error and its causes, outermost first.
pub(super) fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&current| current.source())
}

/// Texts of the SDK that only say on which of its levels something failed.
const LEVELS: [&str; 22] = [
    "an error occurred while loading an access token",
    "an error occurred while loading credentials",
    "client error (Connect)",
    "client error (SendRequest)",
    "dispatch failure",
    "error reading a body from connection",
    "error trying to connect",
    "failed to construct request",
    "io error",
    "other",
    "request has timed out",
    "response error",
    "service error",
    "streaming error",
    "tcp connect error",
    "the credential provider was not enabled",
    "the credentials provider was not properly configured",
    "timeout",
    "unexpected credentials error",
    "unhandled error",
    "unknown provider error",
    "user error",
];

/// What an error and its causes say, each once, without what only says where in the SDK.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    // By `cause`, which is `source` unless a type has only the former, as the SDK's errors about sign-ins do.
    #[allow(deprecated)]
    let levels = std::iter::successors(Some(error as &dyn Error), |&current| current.cause());
    for current in levels {
        let text = current.to_string();
        let text = text.split(" (os error").next().unwrap_or_default().to_owned();
        #[allow(deprecated)]
        let deeper = current.cause().is_some() || !said.is_empty();
        let level = deeper && LEVELS.contains(&text.as_str());
        if !text.is_empty() && !level && !said.iter().any(|earlier| earlier.contains(&text)) {
            said.push(text);
        }
    }
    said.join(": ")
}

fn request_id<E>(error: &SdkError<E, HttpResponse>) -> Option<String>
where
    E: ProvideErrorMetadata,
{
    let in_body = || error.as_service_error()?.meta().request_id();
    error.request_id().or_else(in_body).map(str::to_owned)
}

/// What an answer without a code is told with: its status, how its body begins, unless keys may be in it, and where it
/// leads.
pub(super) fn told(answer: &HttpResponse, body: &[u8], secret: bool) -> String {
    let status = answer.status().as_u16();
    let message = match secret && !body.is_empty() && !is_html(body) {
        true => format!("{PAGE}{status}, which isn't shown, as keys may be in it"),
        false => without_code(status, body),
    };
    match answer.headers().get("location") {
        Some(to) if (300..400).contains(&status) => format!("{message}, on to {to}"),
        _ => message,
    }
}

/// The status, and how the body begins, on one line.
fn without_code(status: u16, body: &[u8]) -> String {
    match bounded(&String::from_utf8_lossy(body), SHOWN) {
        line if line.is_empty() => format!("{PAGE}{status} with no body"),
        line => format!("{PAGE}{status}: {line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use billctl_core::service::sts::GET_CALLER_IDENTITY;

    #[test]
    fn only_a_page_that_stays_is_called_strange() {
        for (message, kind) in [
            (without_code(503, b"<html>busy</html>"), Kind::Garbled),
            (without_code(503, b""), Kind::Unavailable),
            ("HTTP connect timeout occurred after 4s".to_owned(), Kind::Unavailable),
            (
                "HTTP read timeout occurred after 30s: timed out".to_owned(),
                Kind::Unavailable,
            ),
            ("Connection refused".to_owned(), Kind::Unavailable),
        ] {
            let error = ServiceError::without_code(GET_CALLER_IDENTITY, Kind::Unavailable, message);
            assert_eq!(given_up(error.clone()).kind, kind, "{error}");
        }
    }
}
