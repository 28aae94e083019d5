use std::fmt;

/// An AWS service that billctl calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// AWS Account Management.
    Account,
    /// Billing and Cost Management preferences.
    Billing,
    /// CloudFormation StackSets.
    CloudFormation,
    /// CloudWatch.
    CloudWatch,
    /// EventBridge.
    EventBridge,
    /// IAM.
    Iam,
    /// AWS Organizations.
    Organizations,
    /// Simple Email Service, API v2.
    SesV2,
    /// Step Functions.
    StepFunctions,
    /// SNS.
    Sns,
    /// SQS.
    Sqs,
    /// STS.
    Sts,
}

impl Service {
    /// How many services there are: the size of a table indexed by `service as usize`.
    pub const COUNT: usize = Self::Sts as usize + 1;

    /// The prefix of its IAM actions (Service Authorization Reference).
    pub const fn iam_prefix(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Billing => "billing",
            Self::CloudFormation => "cloudformation",
            Self::CloudWatch => "cloudwatch",
            Self::EventBridge => "events",
            Self::Iam => "iam",
            Self::Organizations => "organizations",
            Self::SesV2 => "ses",
            Self::StepFunctions => "states",
            Self::Sns => "sns",
            Self::Sqs => "sqs",
            Self::Sts => "sts",
        }
    }
}

/// Whether an operation changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Access {
    /// It only reads.
    Read,
    /// It changes something.
    Write,
}

/// One operation of one service, named as in its API reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Operation {
    /// Whose operation it is.
    pub service: Service,
    /// Its name, such as `ListStackInstances`.
    pub name: &'static str,
    /// Whether it changes anything.
    pub access: Access,
}

impl Operation {
    /// An operation that only reads.
    pub const fn read(service: Service, name: &'static str) -> Self {
        let access = Access::Read;
        Self { service, name, access }
    }

    /// An operation that changes something.
    pub const fn write(service: Service, name: &'static str) -> Self {
        let access = Access::Write;
        Self { service, name, access }
    }

    /// The IAM action that allows it, such as `cloudformation:ListStackInstances`: of every operation that billctl uses it
    /// has the operation's own name.
    pub fn iam_action(&self) -> String {
        self.to_string()
    }
}

/// `cloudformation:ListStackInstances`.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.service.iam_prefix(), self.name)
    }
}

/// Declares a service's operations as constants, and the list of all of them.
macro_rules! operations {
    ($service:ident: $($constant:ident = $access:ident $name:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`.")]
            pub const $constant: $crate::service::Operation =
                $crate::service::Operation::$access($crate::service::Service::$service, $name);
        )*
        /// Every operation of this service that billctl uses.
        pub const ALL: &[$crate::service::Operation] = &[$($constant),*];
    };
}
pub(crate) use operations;
