//! Organisations to begin with: of any size, and the same for the same seed.

use jiff::Timestamp;
use jiff::civil::date;
use serde::{Deserialize, Serialize};

use super::World;
use super::faults::hash;
use super::organizations::State;
use billctl_core::model::{Account, AccountId, AccountState, OuId};
use billctl_core::service::Tags;

/// How a world was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// As the demo's.
    #[default]
    Demo,
    /// Of this shape.
    Shape(Shape),
}

impl Origin {
    /// What is impossible in it.
    pub(super) fn fault(self) -> Option<String> {
        let Self::Shape(shape) = self else {
            return None;
        };
        let fits = shape.accounts <= MAX_ACCOUNTS && shape.ous <= MAX_OUS && shape.depth <= MAX_DEPTH;
        (!fits).then(|| {
            format!("origin: at most {MAX_ACCOUNTS} accounts and {MAX_OUS} OUs on {MAX_DEPTH} levels can be made")
        })
    }

    /// The world as it was made.
    pub fn world(self) -> World {
        match self {
            Self::Demo => demo(),
            Self::Shape(shape) => world(&shape),
        }
    }
}

/// How large an organisation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Accounts, without the management account.
    pub accounts: usize,
    /// OUs, without the root.
    pub ous: usize,
    /// Levels of OUs; Organizations allows five.
    pub depth: usize,
    /// Decides names, ids and who is where.
    pub seed: u64,
}

/// Accounts that can be made, without the management account: more than Organizations lets anybody have.
pub const MAX_ACCOUNTS: usize = 50_000;

/// OUs that Organizations allows (docs/aws-facts.md, "Organizations").
pub const MAX_OUS: usize = 2_000;

/// Levels of OUs that Organizations allows below the root (docs/aws-facts.md, "Organizations").
pub const MAX_DEPTH: usize = 5;

/// The OUs of the demo organisation, each with its accounts. `Payments` exists twice on purpose.
const DEMO: &str = "\
Production: prod-gateway prod-web
Production/Payments: payments-prod payments-ledger payments-fraud payments-reports
Production/Platform: platform-clusters platform-network platform-dns platform-observability
Production/Data: data-lake data-warehouse data-streams
Production/Data/Science: science-training science-notebooks
Staging: staging-web staging-gateway
Staging/Payments: staging-payments-api staging-payments-ledger
Staging/Data: staging-data-lake
Sandboxes: sandbox-amira sandbox-bastian sandbox-chen sandbox-divya
Sandboxes: sandbox-emeka sandbox-fatima sandbox-greta sandbox-hugo
Security: security-audit security-log-archive security-tooling
Infrastructure: shared-network shared-images
Infrastructure/Build: build-runners build-artifacts
Policy Staging: policy-canary
Acquisitions: nimbus-shop nimbus-legacy
Suspended: old-campaign
Empty:";

/// The demo's account that AWS has suspended.
const DEMO_SUSPENDED: &str = "old-campaign";

/// Nine o'clock of a day in mid-month: the first demonstration shouldn't be about the month's end.
fn beginning() -> Timestamp {
    date(2026, 3, 11)
        .at(9, 0, 0, 0)
        .to_zoned_datetime(jiff::tz::TimeZone::UTC)
        // Fixed and in range, so it is never the epoch.
        .map_or(Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp())
}

/// The demo organisation: about 40 accounts in nested OUs, one of them suspended.
pub fn demo() -> World {
    let mut state = organization(0);
    for (path, names) in DEMO.lines().filter_map(|line| line.split_once(':')) {
        let ou = ou_at(&mut state, path);
        for name in names.split_whitespace() {
            add(&mut state, name, &ou, owner(name), name == DEMO_SUSPENDED);
        }
    }
    World::new(state, beginning())
}

/// The OU at this path below the root, made where it isn't there.
fn ou_at(state: &mut State, path: &str) -> OuId {
    let mut at = state.root().clone();
    for name in path.split('/') {
        let there = state
            .ous()
            .find(|ou| ou.parent.as_ref() == Some(&at) && ou.name == name);
        at = match there {
            Some(ou) => ou.id,
            // The paths above are at most three deep and name no sibling twice.
            None => state.add_ou(&at, name).unwrap_or(at),
        };
    }
    at
}

/// An organisation of this shape.
pub fn world(shape: &Shape) -> World {
    const AREAS: [&str; 12] = [
        "Production",
        "Staging",
        "Sandboxes",
        "Security",
        "Platform",
        "Data",
        "Payments",
        "Retail",
        "Mobile",
        "Research",
        "Logistics",
        "Finance",
    ];
    let mut rng = fastrand::Rng::with_seed(shape.seed);
    let mut state = organization(shape.seed);
    let mut levels: Vec<Vec<OuId>> = vec![vec![state.root().clone()]];
    let mut ous = Vec::new();
    let depth = shape.depth.clamp(1, MAX_DEPTH);
    for number in 0..shape.ous {
        // The first OUs go down, so that the depth asked for is reached; the rest spreads.
        let level = if number < depth { number } else { rng.usize(0..depth) };
        let parent = levels.get(level).and_then(|units| rng.choice(units));
        let parent = parent.unwrap_or(state.root()).clone();
        let area = AREAS[number % AREAS.len()];
        let name = match number / AREAS.len() {
            0 => area.to_owned(),
            round => format!("{area} {}", round + 1),
        };
        // Fails only for a name or depth that can't come up here.
        if let Ok(id) = state.add_ou(&parent, &name) {
            if levels.len() <= level + 1 {
                levels.push(Vec::new());
            }
            if let Some(units) = levels.get_mut(level + 1) {
                units.push(id.clone());
            }
            ous.push(id);
        }
    }
    for number in 0..shape.accounts {
        let parent = rng.choice(&ous).unwrap_or(state.root()).clone();
        let area = AREAS[rng.usize(0..AREAS.len())].to_lowercase();
        let name = format!("{area}-{:05}", number + 1);
        let suspended = rng.usize(0..200) == 0;
        let owned = rng.usize(0..10) < 7;
        let tags = if owned { owner(&name) } else { Tags::new() };
        add(&mut state, &name, &parent, tags, suspended);
    }
    let mut world = World::new(state, beginning());
    world.origin = Origin::Shape(*shape);
    world
}

/// An organisation of a root and a management account.
fn organization(seed: u64) -> State {
    let text = format!("{:016x}", hash(&["organization", &seed.to_string()]));
    let parse_error = "the texts are made of hexadecimal digits, which every id allows";
    #[expect(clippy::expect_used, reason = "the texts are made of hexadecimal digits")]
    let (id, root) = (
        format!("o-{}", &text[..10]).parse().expect(parse_error),
        format!("r-{}", &text[..4]).parse().expect(parse_error),
    );
    let management = AccountId::from_number(100_000_000_000 + seed % 1_000_000 * 7 + 11);
    #[expect(clippy::expect_used, reason = "the number has twelve digits")]
    let id_of_management = management.expect("twelve digits");
    State::new(
        id,
        root,
        Account {
            id: id_of_management,
            name: "billing".into(),
            email: "aws+billing@example.com".into(),
            state: AccountState::Active,
            joined: None,
        },
    )
}

/// Whether an account came by invitation: those that were bought, and one in twenty.
fn is_invited(name: &str) -> bool {
    name.starts_with("nimbus-") || hash(&["invited", name]).is_multiple_of(20)
}

fn add(state: &mut State, name: &str, parent: &OuId, tags: Tags, suspended: bool) {
    let account = Account {
        id: state.fresh_account_id(name),
        name: name.into(),
        email: format!("aws+{name}@example.com"),
        state: if suspended {
            AccountState::Suspended
        } else {
            AccountState::Active
        },
        joined: None,
    };
    let id = account.id;
    state.insert(account, parent.clone(), tags);
    if is_invited(name) {
        state.invite(id);
    }
}

/// The tag that says who owns an account; three in four have one.
fn owner(name: &str) -> Tags {
    const PEOPLE: [&str; 8] = ["amira", "bastian", "chen", "divya", "emeka", "fatima", "greta", "hugo"];
    let number = hash(&["owner", name]);
    let who = name
        .strip_prefix("sandbox-")
        .unwrap_or(PEOPLE[(number >> 8) as usize % PEOPLE.len()]);
    if number.is_multiple_of(4) {
        Tags::new()
    } else {
        Tags::from([("owner".to_owned(), format!("{who}@example.com"))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_has_about_forty_accounts_and_one_is_suspended() {
        let world = demo();
        let accounts: Vec<_> = world.organizations.accounts().collect();
        assert!((38..=44).contains(&accounts.len()), "{}", accounts.len());
        let suspended = accounts
            .iter()
            .filter(|(account, _)| account.state == AccountState::Suspended);
        assert_eq!(suspended.count(), 1);
        let payments = world.organizations.ous().filter(|ou| ou.name == "Payments");
        assert_eq!(payments.count(), 2);
    }

    #[test]
    fn a_world_has_the_size_and_depth_asked_for_and_is_the_same_for_the_same_seed() {
        let shape = Shape {
            accounts: 1_000,
            ous: 60,
            depth: 5,
            seed: 3,
        };
        let world = super::world(&shape);
        assert_eq!(world.organizations.account_ids().count(), 1_001);
        assert_eq!(world.organizations.ous().count(), 61);
        let deepest = world
            .organizations
            .ous()
            .map(|ou| world.organizations.ancestry(&ou.id).count() - 1)
            .max();
        assert_eq!(deepest, Some(5));
        let text = |world: &World| serde_json::to_string(&world.organizations).unwrap();
        assert_eq!(text(&world), text(&super::world(&shape)));
    }
}
