//! The file's values -> [`Config`]: defaults filled in, every value checked, values checked against each other.

mod recipients;

use std::collections::HashMap;
use std::ops::Range;

use jiff::SignedDuration;

use super::address::{self, Fault};
use super::key::{At, Key};
use super::names::{self, NameRule, Names, RawNames};
use super::problem::{Place, Problem, Source};
use super::raw::{RawAlarm, RawAmount, RawConfig, RawDeploy, RawMembers, RawStatus, RawThreshold, RawWave};
use super::types::{
    AlarmConfig, BootstrapConfig, Config, DeployConfig, MembersConfig, StatusConfig, ThresholdRule, ThresholdTarget,
    Wave,
};
use billctl_core::model::{AccountId, Usd};
use billctl_core::service::cloudformation::{CountOrPercent, Preferences};
use billctl_core::text::visible;

/// Values that were there, and where first.
type Seen = HashMap<String, Range<usize>>;

/// The config, and what is wrong with it: it is to be used only if nothing is.
pub(super) fn resolve(raw: RawConfig, source: Source) -> (Config, Source, Vec<Problem>) {
    let mut resolve = Resolve {
        source,
        problems: Vec::new(),
    };
    let config = resolve.config(raw);
    (config, resolve.source, resolve.problems)
}

struct Resolve {
    source: Source,
    problems: Vec<Problem>,
}

impl Resolve {
    fn config(&mut self, raw: RawConfig) -> Config {
        let organization = raw.organization.0.and_then(|id| {
            self.source.remember(Place::Organization, id.span.clone());
            self.parsed(id, "write the id, such as o-a1b2c3d4e5")
        });
        if let Some(span) = raw.call_as.span() {
            self.source.remember(Place::CallAs, span);
        }
        let alarm = raw.alarm.value().unwrap_or_default();
        let older_notify_ok = alarm.notify_ok.0.clone();
        let deploy = self.deploy(raw.deploy.value().unwrap_or_default());
        Config {
            organization,
            organization_name: self.checked(raw.organization_name, address::name_fault),
            call_as: raw.call_as.value().unwrap_or_default(),
            alarm: self.alarm(alarm),
            thresholds: self.thresholds(raw.threshold, &deploy.exclude_accounts),
            deploy,
            waves: self.waves(raw.wave),
            mail: self.mail(raw.mail.value().unwrap_or_default(), older_notify_ok),
            digest: self.digest(raw.digest.value().unwrap_or_default()),
            chat: self.chat(raw.chat),
            operations: raw.operations.value().and_then(|raw| self.operations(raw)),
            bootstrap: BootstrapConfig {
                permissions_boundary: raw
                    .bootstrap
                    .value()
                    .and_then(|raw| self.policy(raw.permissions_boundary)),
            },
            members: self.members(raw.members.value().unwrap_or_default()),
            status: self.status(raw.status.value().unwrap_or_default()),
            names: self.names(raw.names.value().unwrap_or_default()),
            source: Source::default(),
        }
    }

    fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// The value as the type that its text has to be.
    fn parsed<T: std::str::FromStr>(&mut self, text: At<String>, remedy: &str) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        match text.value.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                let message = visible(&error.to_string());
                self.report(Problem::at(text.span, message, "").remedy(remedy));
                None
            }
        }
    }

    /// The text, if nothing is wrong with it.
    fn checked(&mut self, key: Key<String>, fault: impl FnOnce(&str) -> Option<Fault>) -> Option<String> {
        let At { value, span } = key.0?;
        let Some(fault) = fault(&value) else {
            return Some(value);
        };
        self.report(Problem::at(span, fault.message, "").remedy(fault.remedy));
        None
    }

    /// What `read` makes of each text, once. What it refuses, and what was `seen`, is reported and left out.
    fn each<T>(
        &mut self,
        raw: Vec<At<String>>,
        what: &str,
        seen: &mut Seen,
        read: fn(&mut Self, At<String>) -> Option<T>,
        key: fn(&T) -> String,
    ) -> Vec<At<T>> {
        let mut each = Vec::new();
        for text in raw {
            let span = text.span.clone();
            if let Some(value) = read(self, text)
                && self.is_first(seen, &key(&value), &span, what)
            {
                each.push(At { value, span });
            }
        }
        each
    }

    /// The values, their places remembered.
    fn placed<T>(&mut self, values: Vec<At<T>>, place: impl Fn(usize) -> Place) -> Vec<T> {
        let values = values.into_iter().enumerate().map(|(index, at)| {
            self.source.remember(place(index), at.span);
            at.value
        });
        values.collect()
    }

    fn alarm(&mut self, raw: RawAlarm) -> AlarmConfig {
        let default = AlarmConfig::default();
        let threshold = raw.threshold.0.and_then(|usd| self.threshold(usd));
        AlarmConfig {
            name: self.name(raw.name, &names::ALARM, default.name),
            threshold: threshold.unwrap_or(default.threshold),
            measure: raw.measure.value().unwrap_or(default.measure),
        }
    }

    fn threshold(&mut self, usd: At<f64>) -> Option<Usd> {
        let problem = match Usd::from_f64(usd.value) {
            Some(amount) if amount.is_positive() => return Some(amount),
            Some(_) => Problem::at(usd.span, "a threshold has to be more than $0", "not more than 0")
                .remedy("to leave an account without an alarm, list it in `[deploy] exclude-accounts`"),
            None if usd.value.is_finite() => Problem::at(usd.span, "no bill reaches this threshold", "too large")
                .remedy("write an amount below a thousand million US dollars"),
            None => Problem::at(usd.span, "a threshold has to be a number", "not finite")
                .remedy("write a plain number such as 100 or 12.5"),
        };
        self.report(problem);
        None
    }

    fn thresholds(&mut self, raw: Vec<At<RawThreshold>>, excluded: &[AccountId]) -> Vec<ThresholdRule> {
        let places = (0..).map(Place::ExcludedAccount);
        let excluded: HashMap<AccountId, Place> = excluded.iter().copied().zip(places).collect();
        let mut rules = Vec::new();
        let mut seen: HashMap<ThresholdTarget, Range<usize>> = HashMap::new();
        for entry in raw {
            let usd = entry.value.usd.0.and_then(|usd| self.threshold(usd));
            let Some((target, span)) = self.target(entry.value.ou, entry.value.account, &excluded) else {
                continue;
            };
            if let Some(first) = seen.get(&target) {
                let message = match &target {
                    ThresholdTarget::Ou(ou) => format!("OU `{ou}` has two thresholds"),
                    ThresholdTarget::Account(id) => format!("account {id} has two thresholds"),
                };
                let problem = Problem::at(span, message, "again here").and(first.clone(), "first here");
                self.report(problem.remedy("keep one of them"));
                continue;
            }
            seen.insert(target.clone(), span.clone());
            let Some(usd) = usd else { continue };
            self.source.remember(Place::ThresholdTarget(rules.len()), span);
            rules.push(ThresholdRule { target, usd });
        }
        rules
    }

    fn target(
        &mut self,
        ou: Key<String>,
        account: Key<String>,
        excluded: &HashMap<AccountId, Place>,
    ) -> Option<(ThresholdTarget, Range<usize>)> {
        if let Some(account) = account.0 {
            let span = account.span.clone();
            let id = self.account(account)?;
            if let Some(place) = excluded.get(&id).and_then(|place| self.source.span(*place)) {
                let message = format!("account {id} has a threshold, but gets no alarm");
                let problem = Problem::at(span.clone(), message, "has a threshold here").and(place, "is excluded here");
                self.report(problem.remedy("remove one of the two"));
            }
            return Some((ThresholdTarget::Account(id), span));
        }
        let ou = ou.0?;
        let span = ou.span.clone();
        let selector = self.selector(ou)?;
        Some((ThresholdTarget::Ou(selector), span))
    }

    fn account(&mut self, text: At<String>) -> Option<AccountId> {
        let remedy = if text.value.starts_with("ou-") || text.value.starts_with("r-") {
            "this is an OU's id: it belongs under `ou` or `ous`"
        } else {
            "write all twelve digits in quotes, without spaces or hyphens: \"123456789012\""
        };
        self.parsed(text, remedy)
    }

    /// An OU by id, path or name, slashes at its ends taken off.
    fn selector(&mut self, text: At<String>) -> Option<String> {
        let selector = text.value.trim_matches('/');
        if selector.trim().is_empty() {
            let problem = Problem::at(text.span, "an OU's name can't be empty", "names no OU");
            self.report(problem.remedy("name an OU by id, path or name; `Root` is everything"));
            return None;
        }
        if selector.parse::<AccountId>().is_ok() {
            let message = format!("{selector} is an account, not an OU");
            let remedy = "name single accounts with `account` in `[[threshold]]`, or with `billctl deploy --account N`";
            self.report(Problem::at(text.span, message, "an account id").remedy(remedy));
            return None;
        }
        Some(selector.to_owned())
    }

    fn deploy(&mut self, raw: RawDeploy) -> DeployConfig {
        let default = DeployConfig::default();
        let preferences = default.preferences;
        let ous = self.each(raw.ous, "OU", &mut Seen::new(), Self::selector, String::clone);
        let excluded = raw.exclude_accounts;
        let excluded = self.each(
            excluded,
            "account",
            &mut Seen::new(),
            Self::account,
            ToString::to_string,
        );
        DeployConfig {
            stack_set: self.name(raw.stack_set, &names::STACK_SET, default.stack_set),
            ous: self.placed(ous, Place::DeployOu),
            exclude_accounts: self.placed(excluded, Place::ExcludedAccount),
            auto_deploy: raw.auto_deploy.value().unwrap_or(default.auto_deploy),
            preferences: Preferences {
                tolerance: self.amount(raw.failure_tolerance, 0).unwrap_or(preferences.tolerance),
                concurrency: self.amount(raw.max_concurrent, 1).unwrap_or(preferences.concurrency),
                mode: raw.concurrency_mode.value().unwrap_or(preferences.mode),
            },
        }
    }

    fn is_first(&mut self, seen: &mut Seen, value: &str, span: &Range<usize>, what: &str) -> bool {
        match seen.get(value) {
            Some(first) => {
                let message = format!("{what} {} is listed twice", visible(value));
                let problem = Problem::at(span.clone(), message, "again here").and(first.clone(), "first here");
                self.report(problem.remedy("keep one of them"));
                false
            }
            None => {
                seen.insert(value.to_owned(), span.clone());
                true
            }
        }
    }

    fn amount(&mut self, raw: Key<RawAmount>, least: u32) -> Option<CountOrPercent> {
        let At { value, span } = raw.0?;
        let amount = match &value {
            RawAmount::Count(count) => u32::try_from(*count).ok().map(CountOrPercent::Count),
            RawAmount::Text(text) => text
                .strip_suffix('%')
                .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|digits| digits.parse().ok())
                .filter(|percent| *percent <= 100)
                .map(CountOrPercent::Percent),
        };
        let enough = |amount: &CountOrPercent| match amount {
            CountOrPercent::Count(number) | CountOrPercent::Percent(number) => *number >= least,
        };
        if let Some(amount) = amount.filter(enough) {
            return Some(amount);
        }
        let problem = match (amount, &value) {
            (Some(_), _) => Problem::at(span, "with 0 at a time nothing would be done", "too small")
                .remedy(format!("write at least {least}, or \"1%\"")),
            (None, RawAmount::Text(text)) if text.parse::<u32>().is_ok() => {
                let message = format!("`{text}` is neither a number nor a share");
                Problem::at(span, message, "").remedy(format!(
                    "write {text} without quotes for that many accounts, or \"{text}%\" for a share"
                ))
            }
            (None, RawAmount::Text(text)) => {
                let message = format!("`{}` is not a share in percent", visible(text));
                Problem::at(span, message, "").remedy("write a whole number from 0 to 100 with a percent sign: \"10%\"")
            }
            (None, RawAmount::Count(count)) => Problem::at(span, format!("{count} is not a number of accounts"), "")
                .remedy("write a whole number such as 5, or a share such as \"10%\""),
        };
        self.report(problem);
        None
    }

    fn waves(&mut self, raw: Vec<At<RawWave>>) -> Vec<Wave> {
        let mut waves: Vec<Wave> = Vec::new();
        let (mut seen, mut seen_names) = (Seen::new(), Seen::new());
        for entry in raw {
            let name = match entry.value.name.0 {
                Some(name) => {
                    self.is_first(&mut seen_names, &name.value, &name.span, "wave");
                    name.value
                }
                None => format!("wave {}", waves.len() + 1),
            };
            let ous = self.each(entry.value.ous, "OU", &mut seen, Self::selector, String::clone);
            let ous = self.placed(ous, |index| Place::WaveOu(waves.len(), index));
            let tolerance = self.amount(entry.value.failure_tolerance, 0);
            waves.push(Wave { name, ous, tolerance });
        }
        waves
    }

    fn members(&mut self, raw: RawMembers) -> MembersConfig {
        let default = MembersConfig::default();
        MembersConfig {
            role: self.name(raw.role, &names::ROLE, default.role),
            permissions_boundary: self.policy(raw.permissions_boundary),
        }
    }

    fn policy(&mut self, key: Key<String>) -> Option<String> {
        key.0.is_some().then(|| self.name(key, &names::POLICY, String::new()))
    }

    fn status(&mut self, raw: RawStatus) -> StatusConfig {
        let default = StatusConfig::default();
        let Some(At { value, span }) = raw.drift_every.0 else {
            return default;
        };
        if value == "never" {
            return StatusConfig { drift_every: None };
        }
        let hours = value
            .strip_suffix('h')
            .map(|digits| (digits, 1))
            .or_else(|| value.strip_suffix('d').map(|digits| (digits, 24)))
            .filter(|(digits, _)| (1..=4).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|(digits, hours)| Some(digits.parse::<i64>().ok()? * hours))
            .filter(|hours| *hours > 0);
        let Some(hours) = hours else {
            let message = format!("`{}` is not a length of time", visible(&value));
            self.report(
                Problem::at(span, message, "").remedy("write hours or days, such as \"12h\" or \"7d\", or \"never\""),
            );
            return default;
        };
        StatusConfig {
            drift_every: Some(SignedDuration::from_hours(hours)),
        }
    }

    fn names(&mut self, raw: RawNames) -> Names {
        let roles = raw.notifier_role.span().or(raw.rule_role.span());
        let rules = raw.own_rule.span().or(raw.member_rule.span());
        let bus = raw.event_bus.span();
        let names = raw.checked(|key, rule, default| self.name(key, rule, default));
        // IAM tells names apart without regard to case (CreateRole).
        if names.rule_role.eq_ignore_ascii_case(&names.notifier_role) {
            self.same_name(roles, "`rule-role` and `notifier-role` are the same role");
        }
        if names.event_bus == "default" && names.member_rule == names.own_rule {
            let both = "`member-rule` and `own-rule` are the same rule on the default bus";
            self.same_name(rules.or(bus.clone()), both);
        }
        if names.event_bus.starts_with("aws.") {
            let message = "names of event buses that begin with `aws.` are AWS's own";
            self.same_name(bus, message);
        }
        names
    }

    fn same_name(&mut self, span: Option<Range<usize>>, message: &str) {
        let problem = Problem::maybe_at(span, message, "");
        self.report(problem.remedy("give it a name of its own"));
    }

    fn name(&mut self, key: Key<String>, rule: &NameRule, default: String) -> String {
        let Some(At { value, span }) = key.0 else {
            return default;
        };
        if !rule.allows(&value) {
            let message = if value.is_empty() {
                format!("the name of {} can't be empty", rule.what)
            } else {
                format!("`{}` can't be the name of {}", visible(&value), rule.what)
            };
            let remedy = format!("use 1 to {} characters: {}", rule.longest, rule.described);
            self.report(Problem::at(span, message, "").remedy(remedy));
        }
        value
    }
}
