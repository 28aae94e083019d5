//! The file's values -> [`Config`]: defaults filled in, every value checked, values checked against each other.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use jiff::SignedDuration;

use super::address;
use super::key::{At, Key};
use super::names::{self, NameRule};
use super::problem::{Place, Problem, Source};
use super::raw::{
    MOST_DAYS, RawAlarm, RawAmount, RawCallAs, RawConcurrencyMode, RawConfig, RawDeploy, RawMail, RawMembers, RawNames,
    RawOperations, RawStatus, RawThreshold, RawWave,
};
use super::structure::printable;
use super::types::{
    AlarmConfig, Config, DeployConfig, MailConfig, MembersConfig, Names, Operations, StatusConfig, ThresholdRule,
    ThresholdTarget, Wave,
};
use billctl_core::model::{AccountId, Usd};
use billctl_core::service::cloudformation::CallAs;
use billctl_core::service::cloudformation::{Amount, ConcurrencyMode, Preferences};
use billctl_core::service::sesv2::MAX_RECIPIENTS;

/// The account tag that holds the owner's addresses, unless the config names another.
pub const OWNER_TAG: &str = "owner";

/// The config, and what is wrong with it: it is to be used only if nothing is.
pub fn resolve(raw: RawConfig, source: Source) -> (Config, Source, Vec<Problem>) {
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
        if let Some(call_as) = &raw.call_as.0 {
            self.source.remember(Place::CallAs, call_as.span.clone());
        }
        let call_as = match value(raw.call_as) {
            Some(RawCallAs::DelegatedAdmin) => CallAs::DelegatedAdmin,
            Some(RawCallAs::Own) | None => CallAs::Own,
        };
        let excluded = raw.deploy.0.as_ref().map(|deploy| {
            let accounts = &deploy.value.exclude_accounts;
            accounts
                .iter()
                .map(|account| (account.value.clone(), account.span.clone()))
        });
        let excluded: HashMap<String, Range<usize>> = excluded.into_iter().flatten().collect();
        let alarm = value(raw.alarm).unwrap_or_default();
        let older_notify_ok = alarm.notify_ok.0.clone();
        Config {
            organization,
            call_as,
            alarm: self.alarm(alarm),
            thresholds: self.thresholds(raw.threshold, &excluded),
            deploy: self.deploy(value(raw.deploy).unwrap_or_default()),
            waves: self.waves(raw.wave),
            mail: self.mail(value(raw.mail).unwrap_or_default(), older_notify_ok),
            operations: value(raw.operations).and_then(|raw| self.operations(raw)),
            members: self.members(value(raw.members).unwrap_or_default()),
            status: self.status(value(raw.status).unwrap_or_default()),
            names: self.names(value(raw.names).unwrap_or_default()),
            source: Source::default(),
        }
    }

    fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// The value as the type that its text has to be.
    fn parsed<T: std::str::FromStr>(&mut self, text: At<String>, hint: &str) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        match text.value.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                let message = printable(&error.to_string());
                self.report(Problem::at(text.span, message, "").hint(hint));
                None
            }
        }
    }

    fn alarm(&mut self, raw: RawAlarm) -> AlarmConfig {
        let default = AlarmConfig::default();
        AlarmConfig {
            name: self.name(raw.name, &names::ALARM, default.name),
            threshold: raw
                .threshold
                .0
                .and_then(|usd| self.threshold(usd))
                .unwrap_or(default.threshold),
            measure: value(raw.measure).unwrap_or(default.measure),
        }
    }

    fn threshold(&mut self, usd: At<f64>) -> Option<Usd> {
        let amount = Usd::from_f64(usd.value);
        match amount {
            Some(amount) if amount.is_positive() => return Some(amount),
            Some(_) => {
                let problem = Problem::at(usd.span, "a threshold has to be more than $0", "not more than 0");
                self.report(
                    problem.hint("to leave an account without an alarm, list it in `[deploy] exclude-accounts`"),
                );
            }
            None if usd.value.is_finite() => {
                let problem = Problem::at(usd.span, "no bill reaches this threshold", "too large");
                self.report(problem.hint("write an amount below a thousand million US dollars"));
            }
            None => {
                let problem = Problem::at(usd.span, "a threshold has to be a number", "not finite");
                self.report(problem.hint("write a plain number such as 100 or 12.5"));
            }
        }
        None
    }

    fn thresholds(
        &mut self,
        raw: Vec<At<RawThreshold>>,
        excluded: &HashMap<String, Range<usize>>,
    ) -> Vec<ThresholdRule> {
        let mut rules = Vec::new();
        let mut seen: HashMap<ThresholdTarget, Range<usize>> = HashMap::new();
        for entry in raw {
            let usd = entry.value.usd.0.and_then(|usd| self.threshold(usd));
            let Some((target, span)) = self.target(entry.value.ou, entry.value.account, excluded) else {
                continue;
            };
            if let Some(first) = seen.get(&target) {
                let message = match &target {
                    ThresholdTarget::Ou(ou) => format!("OU `{ou}` has two thresholds"),
                    ThresholdTarget::Account(id) => format!("account {id} has two thresholds"),
                };
                let problem = Problem::at(span, message, "again here").and(first.clone(), "first here");
                self.report(problem.hint("keep one of them"));
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
        excluded: &HashMap<String, Range<usize>>,
    ) -> Option<(ThresholdTarget, Range<usize>)> {
        if let Some(account) = account.0 {
            let span = account.span.clone();
            if let Some(place) = excluded.get(&account.value) {
                let message = format!(
                    "account {} has a threshold, but gets no alarm",
                    printable(&account.value)
                );
                let problem =
                    Problem::at(span.clone(), message, "has a threshold here").and(place.clone(), "is excluded here");
                self.report(problem.hint("take out one of the two"));
            }
            let id = self.account(account)?;
            return Some((ThresholdTarget::Account(id), span));
        }
        let ou = ou.0?;
        let span = ou.span.clone();
        let selector = self.selector(ou)?;
        Some((ThresholdTarget::Ou(selector), span))
    }

    fn account(&mut self, text: At<String>) -> Option<AccountId> {
        let hint = if text.value.starts_with("ou-") || text.value.starts_with("r-") {
            "this is an OU's id: it belongs under `ou` or `ous`"
        } else {
            "write all twelve digits in quotes, without spaces or hyphens: \"123456789012\""
        };
        self.parsed(text, hint)
    }

    /// An OU by id, path or name, slashes at its ends taken off.
    fn selector(&mut self, text: At<String>) -> Option<String> {
        let selector = text.value.trim_matches('/');
        if selector.trim().is_empty() {
            let problem = Problem::at(text.span, "an OU's name can't be empty", "names no OU");
            self.report(problem.hint("name an OU by id, path or name; `Root` is everything"));
            return None;
        }
        if selector.parse::<AccountId>().is_ok() {
            let message = format!("{selector} is an account, not an OU");
            let hint = "give single accounts with `account` in `[[threshold]]`, or with `billctl deploy --account`";
            self.report(Problem::at(text.span, message, "an account id").hint(hint));
            return None;
        }
        Some(selector.to_owned())
    }

    fn deploy(&mut self, raw: RawDeploy) -> DeployConfig {
        let default = DeployConfig::default();
        let mut ous = Vec::new();
        let mut seen = HashMap::new();
        for ou in raw.ous {
            let span = ou.span.clone();
            let Some(selector) = self.selector(ou) else {
                continue;
            };
            if self.is_first(&mut seen, &selector, &span, "OU") {
                self.source.remember(Place::DeployOu(ous.len()), span);
                ous.push(selector);
            }
        }
        let mut exclude_accounts = Vec::new();
        let mut seen = HashMap::new();
        for account in raw.exclude_accounts {
            let span = account.span.clone();
            let Some(id) = self.account(account) else {
                continue;
            };
            if self.is_first(&mut seen, &id.to_string(), &span, "account") {
                self.source
                    .remember(Place::ExcludedAccount(exclude_accounts.len()), span);
                exclude_accounts.push(id);
            }
        }
        let mode = value(raw.concurrency_mode).map(|mode| match mode {
            RawConcurrencyMode::Strict => ConcurrencyMode::Strict,
            RawConcurrencyMode::Soft => ConcurrencyMode::Soft,
        });
        DeployConfig {
            stack_set: self.name(raw.stack_set, &names::STACK_SET, default.stack_set),
            ous,
            exclude_accounts,
            auto_deploy: value(raw.auto_deploy).unwrap_or(default.auto_deploy),
            preferences: Preferences {
                tolerance: self
                    .amount(raw.failure_tolerance, 0)
                    .unwrap_or(default.preferences.tolerance),
                concurrency: self
                    .amount(raw.max_concurrent, 1)
                    .unwrap_or(default.preferences.concurrency),
                mode: mode.unwrap_or(default.preferences.mode),
            },
        }
    }

    fn is_first(
        &mut self,
        seen: &mut HashMap<String, Range<usize>>,
        value: &str,
        span: &Range<usize>,
        what: &str,
    ) -> bool {
        match seen.get(value) {
            Some(first) => {
                let message = format!("{what} {} is listed twice", printable(value));
                let problem = Problem::at(span.clone(), message, "again here").and(first.clone(), "first here");
                self.report(problem.hint("keep one of them"));
                false
            }
            None => {
                seen.insert(value.to_owned(), span.clone());
                true
            }
        }
    }

    fn amount(&mut self, raw: Key<RawAmount>, least: u32) -> Option<Amount> {
        let At { value, span } = raw.0?;
        let amount = match &value {
            RawAmount::Count(count) => u32::try_from(*count).ok().map(Amount::Count),
            RawAmount::Text(text) => text
                .strip_suffix('%')
                .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|digits| digits.parse().ok())
                .filter(|percent| *percent <= 100)
                .map(Amount::Percent),
        };
        let enough = |amount: &Amount| match amount {
            Amount::Count(number) | Amount::Percent(number) => *number >= least,
        };
        if let Some(amount) = amount.filter(enough) {
            return Some(amount);
        }
        let problem = match (amount, &value) {
            (Some(_), _) => Problem::at(span, "nothing can be done with none at once", "too small")
                .hint(format!("write at least {least}, or \"1%\"")),
            (None, RawAmount::Text(text)) if text.parse::<u32>().is_ok() => {
                let message = format!("`{text}` is neither a number nor a share");
                Problem::at(span, message, "").hint(format!(
                    "write {text} without quotes for so many accounts, or \"{text}%\" for a share"
                ))
            }
            (None, RawAmount::Text(text)) => {
                let message = format!("`{}` is not a share in percent", printable(text));
                Problem::at(span, message, "").hint("write a whole number from 0 to 100 with a percent sign: \"10%\"")
            }
            (None, RawAmount::Count(count)) => Problem::at(span, format!("{count} is not a number of accounts"), "")
                .hint("write a whole number such as 5, or a share such as \"10%\""),
        };
        self.report(problem);
        None
    }

    fn waves(&mut self, raw: Vec<At<RawWave>>) -> Vec<Wave> {
        let mut waves: Vec<Wave> = Vec::new();
        let mut seen = HashMap::new();
        let mut seen_names = HashMap::new();
        for entry in raw {
            let name = match entry.value.name.0 {
                Some(name) => {
                    self.is_first(&mut seen_names, &name.value, &name.span, "wave");
                    name.value
                }
                None => format!("wave {}", waves.len() + 1),
            };
            let mut ous = Vec::new();
            for ou in entry.value.ous {
                let span = ou.span.clone();
                let Some(selector) = self.selector(ou) else {
                    continue;
                };
                if self.is_first(&mut seen, &selector, &span, "OU") {
                    self.source.remember(Place::WaveOu(waves.len(), ous.len()), span);
                    ous.push(selector);
                }
            }
            let tolerance = self.amount(entry.value.failure_tolerance, 0);
            waves.push(Wave { name, ous, tolerance });
        }
        waves
    }

    fn mail(&mut self, raw: RawMail, older_notify_ok: Option<At<bool>>) -> MailConfig {
        let from = raw.from.0.clone();
        let from_address = self.address(raw.from).unwrap_or_default();
        let identity = raw.identity.0.and_then(|identity| {
            if let Some(fault) = address::identity_fault(&identity.value, &from_address) {
                self.report(Problem::at(identity.span, fault.message, "").hint(fault.hint));
                return None;
            }
            Some(address::lower_domain(&identity.value))
        });
        let identity = identity.unwrap_or_else(|| from_address.clone());
        let identity_arn = raw.identity_arn.0.and_then(|arn| {
            if let Some(fault) = address::identity_arn_fault(&arn.value) {
                self.report(Problem::at(arn.span, fault.message, "").hint(fault.hint));
                return None;
            }
            address::lower_identity_arn(&arn.value).parse().ok()
        });
        let mail_from_domain = raw.mail_from_domain.0.and_then(|domain| {
            if let Some(fault) = address::mail_from_fault(&domain.value, &identity) {
                let problem = Problem::at(domain.span, fault.message, "");
                let problem = match &from {
                    Some(from) => problem.and(from.span.clone(), "mails come from here"),
                    None => problem,
                };
                self.report(problem.hint(fault.hint));
                return None;
            }
            Some(domain.value.to_ascii_lowercase())
        });
        let last = raw.escalate_to.last().or(raw.cc.last());
        let last = last.map(|address| address.span.clone());
        let cc = self.addresses(raw.cc);
        let (escalate_after, escalate_to) = self.escalation(raw.escalate_after, raw.escalate_to);
        self.check_recipients(&cc, &escalate_to, last);
        MailConfig {
            from: from_address,
            identity,
            identity_arn,
            mail_from_domain,
            reply_to: self.address(raw.reply_to),
            owner_tag: self.name(raw.owner_tag, &names::TAG_KEY, OWNER_TAG.to_owned()),
            fallback: self.address(raw.fallback),
            cc,
            notify_ok: self.notify_ok(raw.notify_ok.0, older_notify_ok),
            remind: value(raw.remind).unwrap_or(true),
            escalate_after,
            escalate_to,
        }
    }

    /// Each once.
    fn addresses(&mut self, raw: Vec<At<String>>) -> Vec<String> {
        let mut addresses = Vec::new();
        let mut seen = HashMap::new();
        for one in raw {
            let span = one.span.clone();
            if let Some(one) = self.address(Key(Some(one)))
                && self.is_first(&mut seen, &one.to_lowercase(), &span, "address")
            {
                addresses.push(one);
            }
        }
        addresses
    }

    /// After how many days, and to whom: both or neither.
    fn escalation(&mut self, after: Key<i64>, to: Vec<At<String>>) -> (Option<u16>, Vec<String>) {
        match (&after.0, to.first()) {
            (Some(after), None) => {
                let message = "`escalate-after` says when, but nothing says who";
                let problem = Problem::at(after.span.clone(), message, "without `escalate-to`");
                self.report(problem.hint("add `escalate-to = [\"manager@example.com\"]`"));
            }
            (None, Some(first)) => {
                let message = "`escalate-to` says who, but nothing says when";
                let problem = Problem::at(first.span.clone(), message, "without `escalate-after`");
                self.report(problem.hint("add `escalate-after = 3`, a number of days"));
            }
            _ => {}
        }
        let days = after.0.and_then(|after| {
            let days = u16::try_from(after.value).ok();
            let days = days.filter(|days| (1..=MOST_DAYS).contains(days));
            if days.is_none() {
                let message = format!("nobody can be told after {} days", after.value);
                let problem = Problem::at(after.span, message, "");
                self.report(problem.hint(format!("write a number of days from 1 to {MOST_DAYS}")));
            }
            days
        });
        (days, self.addresses(to))
    }

    /// SES refuses a mail to more than 50, and then nobody hears. How many addresses an owner's tag holds is seen
    /// only when a mail goes out: one is counted here.
    fn check_recipients(&mut self, cc: &[String], escalate_to: &[String], last: Option<Range<usize>>) {
        let copies: BTreeSet<String> = cc.iter().chain(escalate_to).map(|one| one.to_lowercase()).collect();
        let all = copies.len() + 1;
        if all <= MAX_RECIPIENTS {
            return;
        }
        let message = format!(
            "a mail would have {all} recipients: the owner, {} in `cc` and {} in `escalate-to`",
            cc.len(),
            escalate_to.len()
        );
        let problem = match last {
            Some(last) => Problem::at(last, message, format!("more than {MAX_RECIPIENTS}")),
            None => Problem::nowhere(message),
        };
        self.report(problem.hint(format!(
            "Amazon SES takes at most {MAX_RECIPIENTS} for a mail: write to a mailing list instead"
        )));
    }

    /// `[mail] notify-ok`, or `[alarm] notify-ok`, where it stood before.
    fn notify_ok(&mut self, mail: Option<At<bool>>, alarm: Option<At<bool>>) -> bool {
        if let (Some(mail), Some(alarm)) = (&mail, &alarm)
            && mail.value != alarm.value
        {
            let message = "`[alarm] notify-ok` and `[mail] notify-ok` contradict each other";
            let problem = Problem::at(alarm.span.clone(), message, "the older place of the key")
                .and(mail.span.clone(), "says otherwise");
            self.report(problem.hint("keep the one under `[mail]`"));
        }
        mail.or(alarm).is_some_and(|notify| notify.value)
    }

    /// That it names exactly one is checked with the structure.
    fn operations(&mut self, raw: RawOperations) -> Option<Operations> {
        let Some(topic) = raw.topic.0 else {
            return self.address(raw.mail).map(Operations::Mail);
        };
        if let Some(fault) = address::topic_fault(&topic.value) {
            self.report(Problem::at(topic.span, fault.message, "").hint(fault.hint));
            return None;
        }
        topic.value.parse().ok().map(Operations::Topic)
    }

    fn members(&mut self, raw: RawMembers) -> MembersConfig {
        let default = MembersConfig::default();
        MembersConfig {
            role: self.name(raw.role, &names::ROLE, default.role),
        }
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
            let message = format!("`{}` is no length of time", printable(&value));
            self.report(
                Problem::at(span, message, "").hint("write hours or days, such as \"12h\" or \"7d\", or \"never\""),
            );
            return default;
        };
        StatusConfig {
            drift_every: Some(SignedDuration::from_hours(hours)),
        }
    }

    fn address(&mut self, key: Key<String>) -> Option<String> {
        let At { value, span } = key.0?;
        match address::fault(&value) {
            None => Some(address::lower_domain(&value)),
            Some(fault) => {
                self.report(Problem::at(span, fault.message, "").hint(fault.hint));
                None
            }
        }
    }

    fn names(&mut self, raw: RawNames) -> Names {
        let default = Names::default();
        let spans = |key: &Key<String>| key.0.as_ref().map(|at| at.span.clone());
        let roles = spans(&raw.notifier_role).or(spans(&raw.rule_role));
        let rules = spans(&raw.own_rule).or(spans(&raw.member_rule));
        let bus = spans(&raw.event_bus);
        let names = Names {
            event_bus: self.name(raw.event_bus, &names::EVENT_BUS, default.event_bus),
            member_rule: self.name(raw.member_rule, &names::RULE, default.member_rule),
            own_rule: self.name(raw.own_rule, &names::RULE, default.own_rule),
            rule_role: self.name(raw.rule_role, &names::ROLE, default.rule_role),
            notifier: self.name(raw.notifier, &names::STATE_MACHINE, default.notifier),
            notifier_role: self.name(raw.notifier_role, &names::ROLE, default.notifier_role),
            queue: self.name(raw.queue, &names::QUEUE, default.queue),
            template: self.name(raw.template, &names::SES_TEMPLATE, default.template),
            configuration_set: self.name(
                raw.configuration_set,
                &names::CONFIGURATION_SET,
                default.configuration_set,
            ),
            operations_topic: self.name(raw.operations_topic, &names::TOPIC, default.operations_topic),
            dashboard: self.name(raw.dashboard, &names::DASHBOARD, default.dashboard),
            member_role: self.name(raw.member_role, &names::ROLE, default.member_role),
        };
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
        let problem = match span {
            Some(span) => Problem::at(span, message, ""),
            None => Problem::nowhere(message),
        };
        self.report(problem.hint("give it a name of its own"));
    }

    fn name(&mut self, key: Key<String>, rule: &NameRule, default: String) -> String {
        let Some(At { value, span }) = key.0 else {
            return default;
        };
        if !rule.allows(&value) {
            let message = if value.is_empty() {
                format!("the name of {} can't be empty", rule.what)
            } else {
                format!("`{}` can't be the name of {}", printable(&value), rule.what)
            };
            let hint = format!("use 1 to {} characters: {}", rule.longest, rule.described);
            self.report(Problem::at(span, message, "").hint(hint));
        }
        value
    }
}

fn value<T>(key: Key<T>) -> Option<T> {
    key.0.map(|at| at.value)
}
