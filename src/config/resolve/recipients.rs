//! Who is written to, and from whom: mails, the digest, chats and the operations topic.

use std::collections::BTreeSet;
use std::ops::Range;

use super::{Resolve, Seen};
use crate::config::key::{At, Key};
use crate::config::problem::{Place, Problem};
use crate::config::raw::{MOST_DAYS, RawChat, RawDigest, RawMail, RawOperations};
use crate::config::types::{ChatRule, DigestConfig, MailConfig, Operations};
use crate::config::{address, names};
use billctl_core::service::sesv2::MAX_RECIPIENTS;

impl Resolve {
    pub(super) fn mail(&mut self, raw: RawMail, older_notify_ok: Option<At<bool>>) -> MailConfig {
        let from = raw.from.span();
        let (from_name, from_address) = self.sender(raw.from).unwrap_or_default();
        let identity = self.checked(raw.identity, |text| address::identity_fault(text, &from_address));
        let identity = identity.map_or_else(|| from_address.clone(), |text| address::lower_domain(&text));
        let identity_arn = self.checked(raw.identity_arn, address::identity_arn_fault);
        let mail_from_domain = raw.mail_from_domain.0.and_then(|domain| {
            let Some(fault) = address::mail_from_fault(&domain.value, &identity) else {
                return Some(domain.value.to_ascii_lowercase());
            };
            let mut problem = Problem::at(domain.span, fault.message, "").remedy(fault.remedy);
            problem.and = from.map(|span| (span, "mails come from here".to_owned()));
            self.report(problem);
            None
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

    pub(super) fn digest(&mut self, raw: RawDigest) -> DigestConfig {
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
    pub(super) fn operations(&mut self, raw: RawOperations) -> Option<Operations> {
        if raw.topic.0.is_none() {
            return self.address(raw.mail).map(Operations::Mail);
        }
        let topic = self.checked(raw.topic, |text| address::topic_fault(text, "billctl's alarms are"))?;
        topic.parse().ok().map(Operations::Topic)
    }

    pub(super) fn chat(&mut self, raw: Vec<At<RawChat>>) -> Vec<ChatRule> {
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
}
