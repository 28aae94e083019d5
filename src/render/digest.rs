//! The digest as a mail, and what the command says of it. The template places texts and escapes them; here they are made.

use std::path::PathBuf;

use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Value, json};

use super::Format;
use super::html::filled;
use super::spend::{about, minute, plain};
use crate::plan::above::{Above, Told};
use crate::plan::coverage::Coverage;
use crate::plan::digest::{Digest, DigestMail, Grown, NewAccount};
use billctl_core::error::Result;
use billctl_core::model::{AccountId, Usd};
use billctl_core::text::{self, mail, plural};

const HTML: &str = include_str!(concat!(env!("OUT_DIR"), "/mail/digest.html"));
const TEXT: &str = include_str!("../../assets/mail/digest.txt");

/// Most accounts of a list: a mail is read in a minute, and the rest is counted.
const MOST: usize = 10;
/// Most characters of a name, as in the owner's mail.
const LONGEST: usize = 80;
/// The same of the organisation's name.
const LONGEST_ORGANIZATION: usize = 60;

/// What became of the mail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct DigestSent {
    /// Its subject.
    pub subject: String,
    /// Who gets it.
    pub to: Vec<String>,
    /// SES's id of it; null in a preview.
    pub message_id: Option<String>,
    /// The execution that holds the claim on its day; null in a preview.
    pub claim: Option<String>,
    /// The files of a preview.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<PathBuf>,
}

/// The mail.
///
/// # Errors
/// A fault in a template, which a test excludes.
pub fn digest_mail(digest: &Digest) -> Result<DigestMail> {
    let subject = format!(
        "AWS spend of {}: {}, {}",
        short_day(&digest.yesterday_is),
        yesterday(digest),
        match digest.above.len() {
            0 => "none above the limit".to_owned(),
            above => format!("{above} above the limit"),
        }
    );
    let values = values(digest, &subject);
    Ok(DigestMail {
        html: filled("digest", HTML, text::html, &values)?,
        text: filled("digest", TEXT, handlebars::no_escape, &values)?,
        subject,
    })
}

/// The digest and its mail, for programs.
#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct Answer<'a> {
    #[serde(flatten)]
    digest: &'a Digest,
    mail: &'a DigestSent,
}

/// What the command answers.
pub fn digest(format: Format, digest: &Digest, sent: &DigestSent) -> String {
    if format == Format::Json {
        return super::json("digest", &Answer { digest, mail: sent });
    }
    let said = |text: &str| format.text(text);
    let mut lines = Vec::new();
    match &sent.message_id {
        Some(id) => lines.push(format!("sent to {} ({})", said(&sent.to.join(", ")), said(id))),
        None => {
            let files = sent.files.iter().map(|file| said(&file.display().to_string()));
            lines.extend(files.map(|file| format!("wrote {file}")));
        }
    }
    lines.push(format!("subject: {}", said(&sent.subject)));
    if format == Format::Markdown {
        let lines: Vec<String> = lines.iter().map(|line| format!("- {line}")).collect();
        return format!("### billctl digest\n\n{}", lines.join("\n"));
    }
    lines.join("\n")
}

/// billctl's own words, in which backticks stand around what is to be typed.
fn words(text: &str) -> Vec<Value> {
    let parts = text.split('`').enumerate();
    parts
        .filter(|(_, text)| !text.is_empty())
        .map(|(index, part)| json!({"text": text::line(part), "code": index % 2 == 1}))
        .collect()
}

fn yesterday(digest: &Digest) -> String {
    match digest.total.yesterday_estimated {
        true => about(digest.total.yesterday),
        false => plain(digest.total.yesterday),
    }
}

/// What the templates place.
fn values(digest: &Digest, subject: &str) -> Value {
    let total = &digest.total;
    let (month, month_before) = digest.months();
    let (covered, should_be) = digest.covered();
    let organization_name = digest.organization_name.as_deref().unwrap_or_default();
    let organization_name = text::at_most(&mail(organization_name), LONGEST_ORGANIZATION);
    let against = match total.forecast_against_month_before {
        Some(0) => format!("as much as {month_before}"),
        Some(more @ 1..) => format!("{more}% more than {month_before}"),
        Some(less) => format!("{}% less than {month_before}", less.unsigned_abs()),
        None => String::new(),
    };
    let (comma_against, against_in_brackets) = match against.as_str() {
        "" => (String::new(), String::new()),
        against => (format!(", {against}"), format!(" ({against})")),
    };
    let month_to_date = plain(total.month_to_date);
    let forecast = about(total.forecast);
    let last_month = plain(total.month_before);
    let average = plain(total.average_7_days);
    let figure = |label: &str, value: &str| format!("{label:<27} {value}");
    let findings = digest.findings.iter();
    let findings = findings.map(|finding| json!({"what": sentence(&finding.what), "remedy": words(&finding.remedy)}));
    let not_looked_at: Vec<String> = digest.not_looked_at.iter().map(|what| mail(what)).collect();
    json!({
        "subject": subject,
        "preheader": format!("{month} so far {month_to_date}, forecast {forecast}{comma_against}"),
        "yesterday": yesterday(digest),
        "spent": format!(
            "spent yesterday, {} (UTC), in {}",
            long_day(&digest.yesterday_is),
            plural(total.accounts, "account")
        ),
        "verdict": verdict(digest),
        "month": month,
        "month_before": month_before,
        "month_to_date": month_to_date,
        "forecast": forecast,
        "last_month": last_month,
        "against": against,
        "dearer": total.forecast_against_month_before.is_some_and(|percent| percent >= 10),
        "average": average,
        // The same four, aligned.
        "figures": [
            figure(&format!("{month} so far"), &month_to_date),
            figure(&format!("Forecast for {month}"), &format!("{forecast}{against_in_brackets}")),
            figure(&format!("{month_before}, whole month"), &last_month),
            figure("Average of the last 7 days", &average),
        ],
        "above": digest.above.iter().take(MOST).map(above_line).collect::<Vec<_>>(),
        "more_above": more(digest.above.len(), "account is", "accounts are", " above"),
        "grew": digest.grew.iter().take(GREW).map(grew_line).collect::<Vec<_>>(),
        "more_grew": match digest.grew.len().saturating_sub(GREW) {
            0 => String::new(),
            rest => format!("{} grew by less.", plural(rest, "account")),
        },
        "coverage": match should_be {
            0 => "The config gives no account an alarm of its own yet.".to_owned(),
            _ => format!("{covered} of {} watched as they should be.", plural(should_be, "account")),
        },
        "coverage_more": others(digest),
        "findings": findings.collect::<Vec<_>>(),
        "not_looked_at": not_looked_at.join("; "),
        "new": digest.new_accounts.iter().take(MOST).map(new_line).collect::<Vec<_>>(),
        "more_new": more(digest.new_accounts.len(), "account", "accounts", " joined"),
        "organization": match organization_name.as_str() {
            "" => digest.organization.to_string(),
            name => format!("{name} ({})", digest.organization),
        },
        // Empty where config has none.
        "organization_name": organization_name,
        "published": digest.published_until.map_or_else(
            || "AWS has published no charges.".to_owned(),
            |at| format!("Charges as AWS published them until {}.", minute(at)),
        ),
        "generated": minute(digest.generated_at),
    })
}

/// Accounts that grew, in the mail.
const GREW: usize = 5;

fn verdict(digest: &Digest) -> String {
    let above = digest.above.len();
    match (above, digest.untold) {
        (0, _) => "No account is above its limit.".to_owned(),
        (1, 0) => "1 account is above its limit.".to_owned(),
        (1, _) => "1 account is above its limit, and nobody was told.".to_owned(),
        (above, 0) => format!("{above} accounts are above their limits."),
        (above, untold) => {
            format!("{above} accounts are above their limits, and nobody was told about {untold} of them.")
        }
    }
}

/// How many the list leaves out.
fn more(all: usize, one: &str, several: &str, end: &str) -> String {
    match all.saturating_sub(MOST) {
        0 => String::new(),
        1 => format!("1 more {one}{end}."),
        rest => format!("{rest} more {several}{end}."),
    }
}

/// The accounts that needn't be watched, or by something else.
fn others(digest: &Digest) -> String {
    let rest = digest
        .coverage
        .iter()
        .filter(|one| !one.coverage.is_finding() && !matches!(one.coverage, Coverage::Covered | Coverage::Management));
    let rest: Vec<String> = rest
        .map(|one| format!("{} {}", one.accounts, one.coverage.word()))
        .collect();
    if rest.is_empty() {
        return String::new();
    }
    format!("Besides: {}.", rest.join(", "))
}

/// What stands below an account's name.
fn under(account: AccountId, ou: &str) -> String {
    format!("{account} \u{b7} {}", name(ou))
}

fn above_line(above: &Above) -> Value {
    // It doesn't part from its month.
    let since = short_day(&above.since).replace(' ', "\u{a0}");
    let days = match above.days {
        0 | 1 => format!("since {since}"),
        days if above.or_more => format!("{days} days or more"),
        days => format!("{days} days, since {since}"),
    };
    let note = match (&above.told, above.finding) {
        (Some(Told::Yes { .. }), _) => String::new(),
        (_, true) => match &above.cause {
            Some(cause) => format!("Nobody was told: {}.", mail(cause)),
            None => "Nobody was told.".to_owned(),
        },
        (None, false) => "Whether the owner was told wasn't looked at.".to_owned(),
        (Some(_), false) => "The owner wasn't told yet.".to_owned(),
    };
    json!({
        "name": name(&above.name),
        "under": under(above.account, &above.ou),
        "amount": above.amount.to_string(),
        "beside": format!("limit {}, {days}", above.limit),
        "note": note,
        "hot": above.finding,
    })
}

fn grew_line(grown: &Grown) -> Value {
    let usual = grown.before.max(Usd::ZERO);
    json!({
        "name": name(&grown.name),
        "under": under(grown.account, &grown.ou),
        "amount": format!("+{}", grown.growth),
        "beside": format!("{} after {usual} a day", grown.yesterday),
        "note": "",
        "hot": false,
    })
}

fn new_line(new: &NewAccount) -> Value {
    json!({
        "name": name(&new.name),
        "under": under(new.account, &new.ou),
        "amount": new.joined.strftime("%-d %b").to_string(),
        "beside": new.coverage.word(),
        "note": "",
        "hot": new.coverage.is_finding(),
    })
}

/// Somebody's name, as every mail shows it.
fn name(text: &str) -> String {
    text::at_most(&mail(text), LONGEST)
}

fn sentence(fragment: &str) -> String {
    let text = mail(fragment);
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => text,
    }
}

/// `23 November 2026`.
fn long_day(day: &str) -> String {
    said(day, "%-d %B %Y")
}

/// `23 Nov`.
fn short_day(day: &str) -> String {
    said(day, "%-d %b")
}

fn said(day: &str, pattern: &str) -> String {
    day.parse::<Date>()
        .map_or_else(|_| day.to_owned(), |date| date.strftime(pattern).to_string())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::plan::digest::Total;

    #[test]
    fn an_organisation_of_which_nothing_is_known_has_a_digest_too() {
        let digest = Digest {
            organization: "o-a1b2c3d4e5".parse().unwrap(),
            organization_name: None,
            generated_at: Timestamp::UNIX_EPOCH,
            yesterday_is: "1969-12-31".to_owned(),
            published_until: None,
            total: Total::default(),
            above: Vec::new(),
            untold: 0,
            grew: Vec::new(),
            coverage: Vec::new(),
            findings: Vec::new(),
            not_looked_at: Vec::new(),
            new_accounts: Vec::new(),
        };
        let mail = digest_mail(&digest).unwrap();
        assert_eq!(mail.subject, "AWS spend of 31 Dec: -, none above the limit");
        assert!(mail.text.contains("No account is above its limit."), "{}", mail.text);
        assert!(!mail.html.contains("{{"), "{}", mail.html);
    }
}
