//! Samples: an account of the demo organisation, with spend of the kind that a mail can be about.

use std::time::Duration;

use clap::ValueEnum;

use super::Scene;
use crate::cli::GlobalArgs;
use crate::config::{Config, Measure};
use billctl_core::error::{Error, Result};
use billctl_core::model::Usd;
use billctl_sandbox::{MailKind, metrics, seed};

/// What kind of mail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Case {
    /// One day far above all others.
    #[default]
    Spike,
    /// A day that is only just above the limit.
    JustAbove,
    /// The reminder on the third day above the limit.
    ThirdDay,
    /// The spend has doubled since the day's first mail.
    Doubling,
    /// An alarm on the first day of a month.
    MonthStart,
    /// A credit in the days before.
    Credit,
    /// An account that is two days old.
    NewAccount,
    /// An account without any published charges.
    NoHistory,
    /// An amount of seven digits.
    Huge,
    /// Names full of markup, quotes and odd scripts.
    Hostile,
    /// The spend has been below the limit for a day again.
    Recovery,
    /// The alarm watches the month so far.
    MonthToDate,
    /// Whether mails about the account arrive: what `test-alert` sends.
    Test,
}

impl Case {
    pub(super) fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// A sample: an account of the demo organisation with spend of this kind.
pub(super) fn scene(case: Case, global: &GlobalArgs) -> Result<Scene> {
    let mut config = if global.config.exists() {
        Config::load(&global.config)?
    } else {
        // Enough for a sample; a mail about real data needs the real one.
        Config::parse("sample", "[mail]\nfrom = \"billing@example.com\"\n")?
    };
    config.organization = None;
    let mut world = seed::demo();
    let account = world
        .organizations
        .accounts()
        .map(|(account, _)| account.id)
        .find(|id| *id != world.management_account())
        .ok_or_else(|| Error::failed("the sample organisation has no accounts"))?;
    let mut kind = MailKind::First;
    metrics::set_daily(&mut world, account, Usd::dollars(64));
    // A history of the sample's own size, then what the mail is about.
    world.advance(Duration::from_secs(16 * 86_400));
    let mut threshold = Usd::dollars(100);
    match case {
        Case::Spike => metrics::add_once(&mut world, account, Usd::dollars(187)),
        Case::JustAbove => metrics::add_once(&mut world, account, Usd::dollars(37)),
        Case::ThirdDay => {
            for _ in 0..2 {
                metrics::add_once(&mut world, account, Usd::dollars(70));
                world.advance(Duration::from_secs(86_400));
            }
            metrics::add_once(&mut world, account, Usd::dollars(90));
            kind = MailKind::Reminder { days: 3 };
        }
        Case::Doubling => {
            metrics::add_once(&mut world, account, Usd::dollars(410));
            kind = MailKind::Doubling {
                before: Usd::dollars(204),
            };
        }
        Case::MonthStart => {
            let first: jiff::Timestamp = "2026-04-01T09:00:00Z"
                .parse()
                .map_err(|_| Error::failed("the sample's date"))?;
            world.advance_to(first);
            metrics::add_once(&mut world, account, Usd::dollars(120));
        }
        Case::Credit => {
            metrics::add_once(&mut world, account, Usd::dollars(-250));
            world.advance(Duration::from_secs(2 * 86_400));
            metrics::add_once(&mut world, account, Usd::dollars(187));
        }
        Case::NewAccount => {
            metrics::open(&mut world, account);
            world.advance(Duration::from_secs(2 * 86_400));
            metrics::add_once(&mut world, account, Usd::dollars(187));
        }
        Case::NoHistory => {
            // Published, but empty: AWS takes hours after an account joins.
            metrics::publish(&mut world, account, metrics::Published::default());
            kind = MailKind::Unreadable;
        }
        Case::Huge => metrics::add_once(&mut world, account, Usd::dollars(1_234_567)),
        Case::Hostile => {
            metrics::add_once(&mut world, account, Usd::dollars(187));
            let name = "<b>\"Zahlungen\" & 'Söhne'</b> {{subject}} \u{202e}txt.exe 支払い 🚀 of the whole wide world";
            world.organizations.rename_account(account, name);
        }
        Case::Recovery => {
            for _ in 0..2 {
                metrics::add_once(&mut world, account, Usd::dollars(70));
                world.advance(Duration::from_secs(86_400));
            }
            world.advance(Duration::from_secs(86_400));
            kind = MailKind::Recovery { days: 2 };
        }
        Case::MonthToDate => {
            config.alarm.measure = Measure::MonthToDate;
            threshold = Usd::dollars(1_150);
        }
        Case::Test => kind = MailKind::Test,
    }
    // Until AWS has published it.
    world.advance(Duration::from_secs(8 * 3_600));
    Ok(Scene {
        config,
        world,
        account,
        threshold,
        kind,
    })
}
