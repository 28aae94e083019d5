use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::parts::Part;
use super::{DeployArgs, checks};
use crate::apply::rollout_loop::RolloutLoop;
use crate::apply::stack_set_queue::Wait;
use crate::cli::output::Outputs;
use crate::cli::{Context, Format};
use crate::observe;
use crate::plan::Thresholds;
use crate::plan::outcome::Outcome;
use crate::plan::rollout::{Desired, Extent, Observed, Options, Rollout, Wave, Waves, plan};
use crate::render::{self, Detail, RolloutResult};
use crate::resource::stack_set::{self, FieldChange};
use billctl_core::error::{Error, ErrorKind, Result};
use billctl_core::model::{AccountId, Organization};
use billctl_core::service::cloudformation::{CallAs, OperationId};
use billctl_core::text::plural;

/// How long the accounts' spend is waited for: it only adds a warning to the plan.
const PATIENCE: Duration = Duration::from_secs(60);

/// What comes after a deploy.
const NEXT: &str = "`billctl status` shows where every account stands";

/// One deploy.
pub(super) struct Deploy<'a> {
    pub args: &'a DeployArgs,
    pub context: &'a Context,
    pub organization: &'a Organization,
    pub thresholds: &'a Thresholds,
    pub parts: &'a [Part],
    /// Accounts whose instance is removed and made anew, each with its last operation before that.
    pub recreate: BTreeMap<AccountId, Option<OperationId>>,
    /// What the user should know besides what the plan says.
    pub notes: Vec<String>,
}

/// What has come of it so far.
#[derive(Default)]
struct DeployResult {
    outcomes: Vec<Outcome>,
    detached: Option<OperationId>,
    /// Steps of that part that were not begun.
    steps_left: usize,
    /// The parts that were not begun, by name.
    parts_left: Vec<String>,
}

impl DeployResult {
    /// Whether an operation failed beyond its tolerance, or was stopped: what comes after it isn't begun.
    fn failed(&self) -> bool {
        !self.outcomes.iter().all(Outcome::is_within_tolerance)
    }

    fn is_clean(&self) -> bool {
        self.outcomes.iter().all(Outcome::is_clean)
    }
}

impl Deploy<'_> {
    /// `--plan`: shows what would be done.
    pub(super) async fn show(&self) -> Result<()> {
        let observed = self.observe(&self.desired()?).await?;
        let waves = self.warned(self.plan(&observed)?).await;
        self.print(&waves, None)?;
        self.summarize(&waves);
        if self.args.check && !waves.is_empty() {
            return Err(Error::new(ErrorKind::Check, "the plan isn't empty; see above"));
        }
        Ok(())
    }

    /// Shows what is to be done, asks, and does it part after part.
    pub(super) async fn roll_out(&self) -> Result<()> {
        let services = &self.context.services;
        let stack_set = &self.context.config.deploy.stack_set;
        let mut rolling = RolloutLoop::new(services, &*self.context.watched, stack_set, self.wait_mode());
        rolling.wait().await?;
        let observed = self.observe(&self.desired()?).await?;
        let waves = self.warned(self.plan(&observed)?).await;
        self.show_plan(&waves)?;
        self.summarize(&waves);
        let no_access = match observed.stack_set {
            None if !waves.is_empty() => checks::access(self.context).await,
            _ => None,
        };
        let result = self.parts(&waves, observed, &mut rolling).await;
        let result = result.map_err(|error| match (error.service(), no_access) {
            (Some(refusal), Some(why)) if refusal.operation.name == "CreateStackSet" => why,
            _ => error,
        })?;
        self.conclude(&waves, &result)
    }

    /// Asks, then does each part as it was planned, or planned afresh if something has happened since, until nothing of
    /// it is left or it failed.
    async fn parts(&self, waves: &Waves, observed: Observed, rolling: &mut RolloutLoop<'_>) -> Result<DeployResult> {
        let mut result = DeployResult::default();
        if waves.is_empty() {
            return Ok(result);
        }
        let mut confirmed = Confirmed::default();
        confirmed.ask(self, waves).await?;
        let mut observed = Some(observed);
        for (index, (part, wave)) in self.parts.iter().zip(&waves.waves).enumerate() {
            if wave.rollout.is_empty() {
                continue;
            }
            if let Some(name) = &part.name {
                self.context.phase(format!("wave {name}"));
            }
            let desired = desired_of(self.context, self.organization, self.thresholds, part)?;
            let failures = result.outcomes.iter().flat_map(|outcome| outcome.failures.keys());
            let options = self.options(index, failures.copied().collect());
            let first = observed.take().map(|observed| (observed, wave.rollout.clone()));
            let afresh = async || {
                let observed = self.observe(std::slice::from_ref(&desired)).await?;
                let rollout = plan(&desired, &observed, self.organization, &options);
                Ok(Some((observed, rollout)))
            };
            let agree = async |rollout: &Rollout| {
                let (name, rollout) = (part.name.clone(), rollout.clone());
                confirmed.ask(self, &Waves::from(Wave { name, rollout })).await
            };
            let report = rolling.carry_out(&part.preferences, first, afresh, agree).await?;
            result.outcomes.extend(report.outcomes);
            result.detached = report.detached;
            if result.failed() || result.detached.is_some() {
                result.steps_left = report.not_reached;
                result.parts_left = self.left_after(index, waves);
                break;
            }
        }
        Ok(result)
    }

    /// The parts after this one that have something to do, by name.
    fn left_after(&self, index: usize, waves: &Waves) -> Vec<String> {
        let rest = self.parts.iter().zip(&waves.waves).skip(index + 1);
        rest.filter(|(_, wave)| !wave.rollout.is_empty())
            .map(|(part, _)| match &part.name {
                Some(name) => format!("wave {name}"),
                None => "all the rest".to_owned(),
            })
            .collect()
    }

    const fn wait_mode(&self) -> Wait {
        match (self.args.detach, self.args.no_wait) {
            (true, _) => Wait::Detach,
            (false, true) => Wait::NotForOthers,
            (false, false) => Wait::Finish,
        }
    }

    /// What each part wants.
    fn desired(&self) -> Result<Vec<Desired>> {
        let desired = |part| desired_of(self.context, self.organization, self.thresholds, part);
        self.parts.iter().map(desired).collect()
    }

    /// Prune is about the whole organisation, and comes last. What failed in a part before, within its tolerance, isn't
    /// tried again in this run.
    fn options(&self, index: usize, given_up: BTreeSet<AccountId>) -> Options {
        Options {
            prune: self.args.prune && index + 1 == self.parts.len(),
            recreate: self.recreate.clone(),
            extent: match self.parts.get(index) {
                Some(part) if !self.args.instances_only => part.extent,
                _ => Extent::Accounts,
            },
            all_instances: self.args.all_instances,
            instances_only: self.args.instances_only,
            given_up,
        }
    }

    fn plan(&self, observed: &Observed) -> Result<Waves> {
        let mut observed = observed.clone();
        let mut waves = Vec::new();
        for (index, (part, desired)) in self.parts.iter().zip(self.desired()?).enumerate() {
            let options = self.options(index, BTreeSet::new());
            let rollout = plan(&desired, &observed, self.organization, &options);
            observed = observed.after(&rollout);
            let name = part.name.clone();
            waves.push(Wave { name, rollout });
        }
        let mut notes = self.notes.clone();
        let moves = |change: &FieldChange| change.field == stack_set::DEFAULT_THRESHOLD;
        if waves.iter().any(|wave| wave.rollout.stack_set.iter().any(moves))
            && self.thresholds.of_management_account(self.organization) == self.thresholds.default
        {
            notes.push(format!(
                "the management account's own alarm is bootstrap's: `billctl bootstrap` gives it {} too",
                self.thresholds.default
            ));
        }
        Ok(Waves {
            waves,
            above: BTreeMap::new(),
            notes,
        })
    }

    /// The plan with a warning of what will alarm at once. It is about a convenience, so nothing that goes wrong
    /// here fails the run.
    async fn warned(&self, mut waves: Waves) -> Waves {
        let thresholds = waves.new_thresholds();
        if thresholds.is_empty() {
            return waves;
        }
        if self.context.config.call_as != CallAs::Own {
            waves.notes.push(
                "what accounts have spent can only be read in the management account: whether an alarm will go off \
                 at once isn't known"
                    .to_owned(),
            );
            return waves;
        }
        let services = &self.context.services;
        let reading = observe::charges::of(
            services,
            thresholds.into_keys(),
            self.context.config.alarm.measure,
            services.clock.now(),
        );
        let unread = match tokio::time::timeout(PATIENCE, reading).await {
            Ok(Ok(charges)) => {
                let charges = charges.into_iter();
                let spent = charges.filter_map(|(account, charges)| Some((account, charges.measured?.amount)));
                waves.warn_of(spent.collect());
                return waves;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer in {} s", PATIENCE.as_secs()),
        };
        waves.notes.push(format!(
            "whether an alarm will go off at once isn't known, because what accounts have spent couldn't be read: \
             {unread}"
        ));
        waves
    }

    /// What is there, with the overrides that the plan needs.
    async fn observe(&self, desired: &[Desired]) -> Result<Observed> {
        let services = &self.context.services;
        let name = &self.context.config.deploy.stack_set;
        let mut observed = observe::stack_set::observe(services, name).await?;
        checks::ours(observed.stack_set.as_ref())?;
        if self.args.instances_only && observed.stack_set.is_none() {
            return Err(Error::failed(format!(
                "there is no StackSet {name} yet, and with --instances-only none is made"
            ))
            .remedy("somebody who may make it (`billctl policy deploy`) has to run `billctl deploy` without it once"));
        }
        observe::stack_set::read_overrides(services, name, &mut observed, |account| {
            self.args.all_instances || desired.iter().any(|desired| desired.accounts.contains_key(&account))
        })
        .await?;
        Ok(observed)
    }

    fn text(&self, format: Format, waves: &Waves, result: Option<&RolloutResult<'_>>, width: Option<usize>) -> String {
        let full = self.args.full;
        render::rollout(format, waves, self.organization, result, Detail { full, width })
    }

    fn print(&self, waves: &Waves, result: Option<&RolloutResult<'_>>) -> Result<()> {
        let text = self.text(self.context.global.format, waves, result, Outputs::width());
        say!("{text}")
    }

    /// The plan before it is carried out.
    fn show_plan(&self, waves: &Waves) -> Result<()> {
        let asks = self.context.asks() && !waves.is_empty();
        self.context.show_plan(asks, self.args.full, |format, detail| {
            self.text(format, waves, None, detail.width)
        })
    }

    fn summarize(&self, waves: &Waves) {
        self.context
            .summarize(|| self.text(Format::Markdown, waves, None, None));
    }

    /// What the run amounts to: every failure listed, and the exit code.
    fn conclude(&self, waves: &Waves, result: &DeployResult) -> Result<()> {
        let failures = (!result.is_clean()).then(|| render::failures(&result.outcomes, self.organization));
        if let Some(failures) = &failures {
            self.context.summarize(|| render::failures_summary(failures));
        }
        if self.context.global.format == Format::Json {
            let result = RolloutResult {
                outcomes: &result.outcomes,
                detached: result.detached.as_ref(),
                not_reached: &result.parts_left,
            };
            self.print(waves, Some(&result))?;
        } else {
            if let Some(failures) = failures {
                say!("{failures}")?;
            }
            if let Some(id) = &result.detached {
                self.context.global.conclude(
                    &format!("operation {id} has started, and goes on in AWS"),
                    "run the same command again to follow it and do the rest, or `billctl deploy --stop` to stop it",
                )?;
            } else if result.is_clean() {
                self.context.global.conclude(&done(waves), NEXT)?;
            }
        }
        self.verdict(result)
    }

    fn verdict(&self, result: &DeployResult) -> Result<()> {
        let mut left = result.parts_left.clone();
        if result.steps_left > 0 {
            left.insert(0, plural(result.steps_left, "step"));
        }
        if result.failed() {
            let mut outcomes = result.outcomes.iter();
            let stopped = outcomes.all(|outcome| outcome.is_within_tolerance() || outcome.is_stopped());
            let mut what = match stopped {
                true => "the operation was stopped".to_owned(),
                false => "the operation failed beyond its tolerance".to_owned(),
            };
            if !left.is_empty() {
                what += &format!("; not begun: {}", left.join("; "));
            }
            return Err(Error::failed(what).remedy("fix the accounts above and run deploy again: it takes up the rest"));
        }
        if !result.is_clean() {
            return Err(
                Error::new(ErrorKind::Partial, "some accounts failed, within the tolerance")
                    .remedy("fix the accounts above and run deploy again: it takes up only those"),
            );
        }
        Ok(())
    }
}

/// What was done, in a clause; empty where nothing was.
fn done(waves: &Waves) -> String {
    if waves.is_empty() {
        return String::new();
    }
    let counts = waves.counts();
    format!(
        "{} created, {} changed, {} repaired, {} removed",
        counts.create, counts.change, counts.repair, counts.remove
    )
}

/// What a part wants.
pub(super) fn desired_of(
    context: &Context,
    organization: &Organization,
    thresholds: &Thresholds,
    part: &Part,
) -> Result<Desired> {
    let config = &context.config;
    let spec = stack_set::desired(config, organization.management_account);
    let mut desired = Desired::new(config, spec, organization, thresholds, &part.scope)?;
    // The last part of a deploy of everything is about everything, also what lies outside of its OUs.
    if part.extent == Extent::Everything {
        desired.scope = None;
    }
    Ok(desired)
}

/// What the user has agreed to.
#[derive(Default)]
struct Confirmed {
    asked: bool,
    removals: BTreeSet<AccountId>,
}

impl Confirmed {
    /// Asks, unless this was agreed to before: a plan that is made afresh may remove no more.
    async fn ask(&mut self, deploy: &Deploy<'_>, waves: &Waves) -> Result<()> {
        let context = deploy.context;
        let removals: BTreeSet<AccountId> = waves.removed_or_recreated().collect();
        let more = removals.difference(&self.removals).count();
        let counts = render::counts(waves.counts());
        if !self.asked {
            context.confirm_plan(&counts, "apply this plan?", more > 0).await?;
        } else if more > 0 {
            deploy.show_plan(waves)?;
            let accounts = plural(more, "account");
            let question = format!("the plan now also removes the alarm from {accounts}; go on?");
            context.confirm_plan(&counts, &question, true).await?;
        }
        self.asked = true;
        self.removals.extend(removals);
        Ok(())
    }
}
