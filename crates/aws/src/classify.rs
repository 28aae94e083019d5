//! What an answer means: decided here, from the error *code* alone, never from its text.

use std::error::Error;

use aws_config::imds::client::error::ImdsError;
use aws_credential_types::provider::error::{CredentialsError, TokenError};
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::RequestId;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use billctl_core::service::{Kind, Operation, Service, ServiceError};
use billctl_core::text;

/// How much of an answer that isn't AWS's is shown.
const SHOWN: usize = 120;

/// The SDK's error as ours.
pub(super) fn classify<E>(operation: Operation, error: &SdkError<E, HttpResponse>) -> ServiceError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let found = |kind, code: Option<&str>, message: String| ServiceError {
        operation,
        kind,
        code: code.map(str::to_owned),
        message,
        request_id: request_id(error),
    };
    if let Some(message) = credentials_problem(error) {
        return found(Kind::Credentials, None, message);
    }
    let Some(response) = error.raw_response() else {
        let kind = match error {
            // Refused before it was sent: a required field is empty, or a text has no place in a URL.
            SdkError::ConstructionFailure(_) => Kind::Invalid,
            _ => Kind::Unavailable,
        };
        return found(kind, None, chain(error));
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
            // Not read to its end: the connection broke off.
            let Some(body) = response.body().bytes() else {
                return found(Kind::Unavailable, None, chain(error));
            };
            let kind = match status {
                _ if !body.trim_ascii().is_empty() => Kind::Garbled,
                429 => Kind::Throttled,
                // What AWS's load balancers say when nothing behind them answers.
                500.. => Kind::Unavailable,
                _ => Kind::Garbled,
            };
            found(kind, None, without_code(status, body))
        }
    }
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
        // Quotas here; other services use the same word for the same thing, but IAM's has no "Exception".
        (S::CloudFormation, "LimitExceededException") => Kind::Quota,
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
        // Two writes met: a moment later the same one goes through. The gate's pause and its narrower lane are
        // the cure for both.
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
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "RequestExpired"
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
fn credentials_problem(error: &(dyn Error + 'static)) -> Option<String> {
    for current in causes(error) {
        if let Some(problem) = current.downcast_ref::<CredentialsError>() {
            let absent = matches!(problem, CredentialsError::CredentialsNotLoaded(_))
                // The chain's last resort: outside EC2 its error says nothing to anybody.
                || causes(problem).any(|cause| cause.is::<ImdsError>());
            return Some(match absent {
                true => "no credentials found".to_owned(),
                false => chain(problem),
            });
        }
        if let Some(problem) = current.downcast_ref::<TokenError>() {
            return Some(chain(problem));
        }
    }
    None
}

/// An error and its causes, outermost first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&current| current.source())
}

/// What an error and its causes say, each once.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    for current in causes(error) {
        let text = current.to_string();
        if !text.is_empty() && !said.iter().any(|earlier| earlier.contains(&text)) {
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

/// The status, and how the body begins, on one line.
fn without_code(status: u16, body: &[u8]) -> String {
    let body = String::from_utf8_lossy(body);
    let words: Vec<&str> = body.split_whitespace().collect();
    let line = text::line(&words.join(" "));
    match line.char_indices().nth(SHOWN) {
        _ if line.is_empty() => format!("HTTP {status} with no body"),
        Some((end, _)) => format!("HTTP {status}: {}...", line.get(..end).unwrap_or_default()),
        None => format!("HTTP {status}: {line}"),
    }
}
