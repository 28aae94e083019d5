//! The file's values -> [`Config`]: defaults filled in, every value checked, values checked against each other.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use jiff::SignedDuration;

use super::address::{self, Fault};
use super::key::{At, Key};
use super::names::{self, NameRule, Names, RawNames};
use super::problem::{Place, Problem, Source};
use super::raw::{
    MOST_DAYS, RawAlarm, RawAmount, RawBootstrap, RawChat, RawConfig, RawDeploy, RawDigest, RawMail, RawMembers,
    RawOperations, RawStatus, RawThreshold, RawWave,
};
use super::types::{
    AlarmConfig, BootstrapConfig, ChatRule, Config, DeployConfig, DigestConfig, MailConfig, MembersConfig, Operations,
    StatusConfig, ThresholdRule, ThresholdTarget, Wave,
};
use billctl_core::model::{AccountId, Usd};
use billctl_core::service::cloudformation::{CountOrPercent, Preferences};
use billctl_core::service::sesv2::MAX_RECIPIENTS;
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
            bootstrap: self.bootstrap(raw.bootstrap.value().unwrap_or_default()),
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
        AlarmConfig {
            name: self.name(raw.name, &names::ALARM, default.name),
            threshold: raw
                .threshold
                .0
                .and_then(|usd| self.threshold(usd))
                .unwrap_or(default.threshold),
            measure: raw.measure.value().unwrap_or(default.measure),
        }
    }

    fn threshold(&mut self, usd: At<f64>) -> Option<Usd> {
        let amount = Usd::from_f64(usd.value);
        match amount {
            Some(amount) if amount.is_positive() => return Some(amount),
            Some(_) => {
                let problem = Problem::at(usd.span, "a threshold has to be more than $0", "not more than 0");
                self.report(
                    problem.remedy("to leave an account without an alarm, list it in `[deploy] exclude-accounts`"),
                );
            }
            None if usd.value.is_finite() => {
                let problem = Problem::at(usd.span, "no bill reaches this threshold", "too large");
                self.report(problem.remedy("write an amount below a thousand million US dollars"));
            }
            None => {
                let problem = Problem::at(usd.span, "a threshold has to be a number", "not finite");
                self.report(problem.remedy("write a plain number such as 100 or 12.5"));
            }
        }
        None
    }

    fn thresholds(&mut self, raw: Vec<At<RawThreshold>>, excluded: &[AccountId]) -> Vec<ThresholdRule> {
        let excluded = excluded
            .iter()
            .zip(0..)
            .map(|(id, index)| (*id, Place::ExcludedAccount(index)));
        let excluded: HashMap<AccountId, Place> = excluded.collect();
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
            let remedy = "name single accounts with `account` in `[[threshold]]`, or with `billctl deploy --account`";
            self.report(Problem::at(text.span, message, "an account id").remedy(remedy));
            return None;
        }
        Some(selector.to_owned())
    }

    fn deploy(&mut self, raw: RawDeploy) -> DeployConfig {
        let default = DeployConfig::default();
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
                tolerance: self
                    .amount(raw.failure_tolerance, 0)
                    .unwrap_or(default.preferences.tolerance),
                concurrency: self
                    .amount(raw.max_concurrent, 1)
                    .unwrap_or(default.preferences.concurrency),
                mode: raw.concurrency_mode.value().unwrap_or(default.preferences.mode),
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

    fn mail(&mut self, raw: RawMail, older_notify_ok: Option<At<bool>>) -> MailConfig {
        let from = raw.from.0.clone();
        let (from_name, from_address) = self.sender(raw.from).unwrap_or_default();
        let identity = self.checked(raw.identity, |text| address::identity_fault(text, &from_address));
        let identity = identity.map_or_else(|| from_address.clone(), |text| address::lower_domain(&text));
        let identity_arn = self.checked(raw.identity_arn, address::identity_arn_fault);
        let mail_from_domain = raw.mail_from_domain.0.and_then(|domain| {
            if let Some(fault) = address::mail_from_fault(&domain.value, &identity) {
                let problem = Problem::at(domain.span, fault.message, "");
                let problem = match &from {
                    Some(from) => problem.and(from.span.clone(), "mails come from here"),
                    None => problem,
                };
                self.report(problem.remedy(fault.remedy));
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
            from_name,
            identity,
            identity_arn: identity_arn.and_then(|arn| address::lower_identity_arn(&arn).parse().ok()),
            mail_from_domain,
            reply_to: self.address(raw.reply_to),
            owner_tag: self.name(raw.owner_tag, &names::TAG_KEY, MailConfig::OWNER_TAG.to_owned()),
            billing_contact: raw.billing_contact.value().unwrap_or(MailConfig::BILLING_CONTACT),
            fallback: self.address(raw.fallback),
            cc,
            notify_ok: self.notify_ok(raw.notify_ok.0, older_notify_ok),
            remind: raw.remind.value().unwrap_or(MailConfig::REMIND),
            escalate_after,
            escalate_to,
        }
    }

    fn digest(&mut self, raw: RawDigest) -> DigestConfig {
        let last = raw.to.last().map(|address| address.span.clone());
        let to = self.addresses(raw.to);
        if let Some(span) = last.filter(|_| to.len() > MAX_RECIPIENTS) {
            let message = format!("a mail can't have {} recipients", to.len());
            let problem = Problem::at(span, message, "");
            self.report(problem.remedy(format!("name at most {MAX_RECIPIENTS}, or a group's address")));
        }
        DigestConfig { to }
    }

    /// Each once.
    fn addresses(&mut self, raw: Vec<At<String>>) -> Vec<String> {
        let read = |this: &mut Self, one| this.address(Key(Some(one)));
        let each = self.each(raw, "address", &mut Seen::new(), read, |one| one.to_lowercase());
        each.into_iter().map(|one| one.value).collect()
    }

    /// After how many days, and to whom: both or neither.
    fn escalation(&mut self, after: Key<i64>, to: Vec<At<String>>) -> (Option<u16>, Vec<String>) {
        match (&after.0, to.first()) {
            (Some(after), None) => {
                let message = "`escalate-after` says when, but nothing says who";
                let problem = Problem::at(after.span.clone(), message, "without `escalate-to`");
                self.report(problem.remedy("add `escalate-to = [\"manager@example.com\"]`"));
            }
            (None, Some(first)) => {
                let message = "`escalate-to` says who, but nothing says when";
                let problem = Problem::at(first.span.clone(), message, "without `escalate-after`");
                self.report(problem.remedy("add `escalate-after = 3`, a number of days"));
            }
            _ => {}
        }
        let days = after.0.and_then(|after| {
            let days = u16::try_from(after.value).ok();
            let days = days.filter(|days| (1..=MOST_DAYS).contains(days));
            if days.is_none() {
                let message = format!("`escalate-after` can't be {} days", after.value);
                let problem = Problem::at(after.span, message, "");
                self.report(problem.remedy(format!("write a number of days from 1 to {MOST_DAYS}")));
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
        let problem = Problem::maybe_at(last, message, format!("more than {MAX_RECIPIENTS}"));
        self.report(problem.remedy(format!(
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
            self.report(problem.remedy("keep the one under `[mail]`"));
        }
        mail.or(alarm).map_or(MailConfig::NOTIFY_OK, |notify| notify.value)
    }

    /// That it names exactly one is checked with the structure.
    fn operations(&mut self, raw: RawOperations) -> Option<Operations> {
        if raw.topic.0.is_none() {
            return self.address(raw.mail).map(Operations::Mail);
        }
        let topic = self.checked(raw.topic, |text| address::topic_fault(text, "billctl's alarms are"))?;
        topic.parse().ok().map(Operations::Topic)
    }

    fn chat(&mut self, raw: Vec<At<RawChat>>) -> Vec<ChatRule> {
        let mut rules = Vec::new();
        let (mut seen, mut for_all) = (Seen::new(), None::<Range<usize>>);
        for At { value, span } in raw {
            let topic = self.checked(value.topic, |text| address::topic_fault(text, "the notifier is"));
            let ou = match value.ou.0 {
                Some(text) => {
                    let place = text.span.clone();
                    let Some(ou) = self.selector(text) else { continue };
                    self.is_first(&mut seen, &ou, &place, "OU");
                    self.source.remember(Place::ChatOu(rules.len()), place);
                    Some(ou)
                }
                None => {
                    if let Some(first) = for_all.replace(span.clone()) {
                        let message = "two topics are for all accounts";
                        let problem = Problem::at(span, message, "again here").and(first, "first here");
                        self.report(problem.remedy("keep one of them, or give one an `ou`"));
                    }
                    None
                }
            };
            if let Some(topic) = topic.and_then(|topic| topic.parse().ok()) {
                rules.push(ChatRule { ou, topic });
            }
        }
        rules
    }

    fn members(&mut self, raw: RawMembers) -> MembersConfig {
        let default = MembersConfig::default();
        MembersConfig {
            role: self.name(raw.role, &names::ROLE, default.role),
            permissions_boundary: self.policy(raw.permissions_boundary),
        }
    }

    fn bootstrap(&mut self, raw: RawBootstrap) -> BootstrapConfig {
        BootstrapConfig {
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

    /// `Acme FinOps <billing@example.com>`, or the address alone.
    fn sender(&mut self, key: Key<String>) -> Option<(Option<String>, String)> {
        let sender = self.checked(key, address::sender_fault)?;
        let (name, address) = address::parts(&sender);
        Some((name, address::lower_domain(address)))
    }

    fn address(&mut self, key: Key<String>) -> Option<String> {
        let address = self.checked(key, address::fault)?;
        Some(address::lower_domain(&address))
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
