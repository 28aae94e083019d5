//! Every managed thing as it is in AWS: reads, makes, changes and removes it. One file per thing, which says of its own
//! kind what `Live` asks; what it should be is in the file of the same name in `resource`.

mod access;
mod alarm;
mod bus;
mod configuration_set;
mod dashboard;
mod identity;
mod notifier;
mod queue;
mod role;
mod rule;
mod template;
mod topic;

pub(crate) use topic::subscriptions as topic_subscriptions;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::resource::document::FieldChange;
use crate::resource::{Resource, Thing, every_kind};
use billctl_core::error::{Error, Result};
use billctl_core::event::{Event, Listener};
use billctl_core::model::Arn;
use billctl_core::service::{self, Kind, OrAbsent, Services};

/// Between two attempts to use a name that isn't free yet.
const NAME_PAUSE: Duration = Duration::from_secs(10);
/// So often a name that isn't free yet is asked for: a queue's is after 60 seconds, a state machine's once its
/// executions are over.
const NAME_ATTEMPTS: usize = 12;
/// Between two attempts to use a role that was just made.
const ROLE_PAUSE: Duration = Duration::from_secs(3);
/// Attempts to use a role that was just made: about a minute. IAM is eventually consistent (IAM User Guide,
/// "Troubleshoot IAM": changes are not immediately visible); a few seconds are usual.
const FRESH_ROLE_ATTEMPTS: usize = 20;
/// Attempts to use a role that was there already: a run before this one may have made it and died.
const ROLE_ATTEMPTS: usize = 6;

/// A managed thing in AWS.
trait Live: Thing + Sized {
    /// What is there under its name.
    async fn read(&self, services: &Services) -> service::Result<Option<Self>>;

    /// Makes it. Where a run before this one came half way, what is there is brought to how it should be.
    async fn create(&self, writer: &mut Writer<'_>) -> Result<()>;

    /// Changes these fields. Where a service has no update, making it again replaces what is there.
    async fn update(&self, _fields: &[FieldChange], writer: &mut Writer<'_>) -> Result<()> {
        self.create(writer).await
    }

    /// Removes it.
    async fn delete(&self, services: &Services) -> service::Result<()>;
}

macro_rules! dispatch {
    ($($kind:ident($thing:ident) $words:literal,)*) => {
        /// What is there under the name of this thing.
        ///
        /// # Errors
        /// AWS's answer: that it isn't there is none.
        pub async fn read(services: &Services, wanted: &Resource) -> service::Result<Option<Resource>> {
            match wanted { $(Resource::$kind(thing) => Ok(thing.read(services).await?.map(Resource::$kind)),)* }
        }

        impl Writer<'_> {
            /// Makes a thing; one that is there already is brought to how it should be.
            ///
            /// # Errors
            /// AWS's answer.
            pub async fn create(&mut self, resource: &Resource) -> Result<()> {
                match resource { $(Resource::$kind(thing) => thing.create(self).await,)* }
            }

            /// Changes these fields of a thing.
            ///
            /// # Errors
            /// AWS's answer.
            pub async fn update(&mut self, resource: &Resource, fields: &[FieldChange]) -> Result<()> {
                match resource { $(Resource::$kind(thing) => thing.update(fields, self).await,)* }
            }

            /// Removes a thing; that it isn't there is no error.
            ///
            /// # Errors
            /// AWS's answer.
            pub async fn delete(&mut self, resource: &Resource) -> Result<()> {
                let gone = match resource { $(Resource::$kind(thing) => thing.delete(self.services).await,)* };
                gone.or_absent()?;
                Ok(())
            }
        }
    };
}
every_kind!(dispatch);

/// What one run writes with, and what it has to remember for that.
pub struct Writer<'a> {
    services: &'a Services,
    listener: &'a dyn Listener,
    /// Roles made or changed in this run, which other services may not see yet.
    fresh_roles: BTreeSet<String>,
}

impl<'a> Writer<'a> {
    /// For one run.
    pub fn new(services: &'a Services, listener: &'a dyn Listener) -> Self {
        Self {
            services,
            listener,
            fresh_roles: BTreeSet::new(),
        }
    }

    /// Makes a call, and again after each `pause` while it is refused in one of these ways, which `note` says beforehand.
    async fn again<T>(
        &self,
        (attempts, pause): (usize, Duration),
        passing: &[Kind],
        note: String,
        mut call: impl AsyncFnMut() -> service::Result<T>,
    ) -> service::Result<T> {
        let mut note = Some(note);
        for _ in 1..attempts {
            match call().await {
                Err(error) if passing.contains(&error.kind) => {
                    if let Some(note) = note.take() {
                        self.listener.on(Event::Note(note));
                    }
                    self.services.clock.sleep(pause).await;
                }
                answer => return answer,
            }
        }
        call().await
    }

    /// Makes a call again while its thing's name isn't free yet: after a removal AWS keeps it for a while.
    async fn when_free<T>(&self, what: &str, call: impl AsyncFnMut() -> service::Result<T>) -> service::Result<T> {
        let note = format!("waiting until the name of {what} is free again after its removal");
        self.again((NAME_ATTEMPTS, NAME_PAUSE), &[Kind::Busy], note, call).await
    }

    /// Makes a call that hands a role to a service, again for a while if it is refused: the service may not see a new
    /// role yet, which it says as a refusal (Step Functions: AccessDeniedException; EventBridge: ValidationException).
    async fn with_role<T>(&self, role: Option<&Arn>, mut call: impl AsyncFnMut() -> service::Result<T>) -> Result<T> {
        let Some(role) = role else {
            return Ok(call().await?);
        };
        let name = role.as_str().rsplit('/').next().unwrap_or_default();
        let attempts = match self.fresh_roles.contains(name) {
            true => FRESH_ROLE_ATTEMPTS,
            false => ROLE_ATTEMPTS,
        };
        let note = format!("waiting until AWS knows the role {name} everywhere");
        let answer = self.again((attempts, ROLE_PAUSE), &[Kind::Denied, Kind::Invalid], note, call);
        answer.await.map_err(|error| match error.kind {
            // It refuses for two reasons with one code: the caller may not hand the role on, or it can't be used.
            Kind::Denied => Error::from(error).remedy(format!(
                "allow `iam:PassRole` on {role}, and what `billctl policy operator` prints, for the identity in use"
            )),
            _ => Error::from(error),
        })
    }
}

/// `Ok(None)` where the thing is there already: its caller brings it to the state it should have.
fn exists_or<T>(made: service::Result<T>) -> service::Result<Option<T>> {
    match made {
        Ok(made) => Ok(Some(made)),
        Err(error) if error.kind == Kind::Exists => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether this top-level field changes, or something in it.
fn changes(fields: &[FieldChange], name: &str) -> bool {
    fields.iter().any(|change| is_within(&change.path, name))
}

fn is_within(path: &str, field: &str) -> bool {
    path.strip_prefix(field)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The keys `K` for which `name[K]` goes.
fn removed_keys(fields: &[FieldChange], name: &str) -> Vec<String> {
    let gone = fields.iter().filter(|change| change.after.is_none());
    gone.filter_map(|change| change.path.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']'))
        .map(str::to_owned)
        .collect()
}
