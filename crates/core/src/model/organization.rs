use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Account, AccountId, OrgId, OuId};
use crate::similar::likeness;
use crate::text::bounded;

/// A root or an OU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationalUnit {
    /// Its id.
    pub id: OuId,
    /// Its name, unique among its siblings only.
    pub name: String,
    /// The OU or root above; `None` for the root.
    pub parent: Option<OuId>,
}

/// The whole organisation as read once: its OUs as a tree, and its accounts each under one of them.
#[derive(Debug, Clone)]
pub struct Organization {
    /// The organisation's id.
    pub id: OrgId,
    /// The account that pays, and that never receives a stack instance (docs/aws-facts.md, "StackSets: setup").
    pub management_account: AccountId,
    ous: BTreeMap<OuId, OrganizationalUnit>,
    children: HashMap<OuId, Vec<OuId>>,
    accounts: BTreeMap<AccountId, (Account, OuId)>,
}

/// Why an OU selector doesn't name exactly one OU.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// Nothing matches; the nearest paths are offered.
    #[error("there is no OU `{}` in the organisation{}", bounded(.selector, SHOWN), near_text(.near))]
    Unknown {
        /// What was asked for.
        selector: String,
        /// Paths that look like it, nearest first.
        near: Vec<String>,
    },
    /// A bare name that several OUs bear.
    #[error("`{}` names several OUs: {}; use a path or an id", bounded(.selector, SHOWN), .paths.join(", "))]
    Ambiguous {
        /// What was asked for.
        selector: String,
        /// The paths of all OUs of that name.
        paths: Vec<String>,
    },
}

/// How much of what was asked for is repeated, in characters.
const SHOWN: usize = 200;

fn near_text(near: &[String]) -> String {
    if near.is_empty() {
        String::new()
    } else {
        format!("; did you mean {}?", near.join(" or "))
    }
}

impl Organization {
    /// Builds the tree. An OU or account whose parent is missing (moved while being read) hangs off the root in
    /// listings of paths, but belongs to no OU's subtree.
    pub fn new(
        id: OrgId,
        management_account: AccountId,
        ous: impl IntoIterator<Item = OrganizationalUnit>,
        accounts: impl IntoIterator<Item = (Account, OuId)>,
    ) -> Self {
        let ous: BTreeMap<_, _> = ous.into_iter().map(|ou| (ou.id.clone(), ou)).collect();
        let mut children: HashMap<OuId, Vec<OuId>> = HashMap::new();
        for ou in ous.values() {
            if let Some(parent) = &ou.parent {
                children.entry(parent.clone()).or_default().push(ou.id.clone());
            }
        }
        let accounts = accounts
            .into_iter()
            .map(|(account, parent)| (account.id, (account, parent)))
            .collect();
        Self {
            id,
            management_account,
            ous,
            children,
            accounts,
        }
    }

    /// The root, if it was read.
    pub fn root(&self) -> Option<&OrganizationalUnit> {
        self.ous.values().find(|ou| ou.parent.is_none())
    }

    /// Every OU and the root, by id.
    pub fn ous(&self) -> impl Iterator<Item = &OrganizationalUnit> {
        self.ous.values()
    }

    /// The OU or root of this id.
    pub fn ou(&self, id: &OuId) -> Option<&OrganizationalUnit> {
        self.ous.get(id)
    }

    /// Every account with its parent, by id; the management account among them.
    pub fn accounts(&self) -> impl Iterator<Item = (&Account, &OuId)> {
        self.accounts.values().map(|(account, parent)| (account, parent))
    }

    /// The account of this id, with its parent.
    pub fn account(&self, id: AccountId) -> Option<(&Account, &OuId)> {
        self.accounts.get(&id).map(|(account, parent)| (account, parent))
    }

    /// `ou` and everything above it, deepest first, the root last.
    pub fn ancestry<'a>(&'a self, ou: &'a OuId) -> impl Iterator<Item = &'a OuId> {
        // Bounded, so that a cycle in an odd answer can't hang: AWS allows five levels below the root.
        std::iter::successors(Some(ou), |id| self.ous.get(*id)?.parent.as_ref()).take(16)
    }

    /// Names from the root down, joined by `/`: `Root/Production/Payments`.
    pub fn path(&self, ou: &OuId) -> String {
        let mut names: Vec<&str> = self
            .ancestry(ou)
            .map(|id| self.ous.get(id).map_or(id.as_str(), |ou| ou.name.as_str()))
            .collect();
        names.reverse();
        names.join("/")
    }

    /// `ou` and all OUs below it: a StackSet's parent target includes its children
    /// (docs/aws-facts.md, "StackSets: targets").
    pub fn subtree(&self, ou: &OuId) -> BTreeSet<OuId> {
        let mut found = BTreeSet::new();
        let mut open = vec![ou.clone()];
        while let Some(id) = open.pop() {
            if found.insert(id.clone()) {
                open.extend(self.children.get(&id).into_iter().flatten().cloned());
            }
        }
        found
    }

    /// The accounts anywhere below any of `ous`, by id.
    pub fn accounts_below(&self, ous: &[OuId]) -> BTreeSet<AccountId> {
        let all: BTreeSet<OuId> = ous.iter().flat_map(|ou| self.subtree(ou)).collect();
        self.accounts
            .iter()
            .filter(|(_, (_, parent))| all.contains(parent))
            .map(|(id, _)| *id)
            .collect()
    }

    /// The one OU that `selector` names: an id, a path from the root (with or without the root's name), or a bare
    /// name if it is unique. A bare name that several OUs bear is ambiguous even if one of them is right below the
    /// root: `Root/NAME` says that one.
    ///
    /// # Errors
    /// [`SelectorError`] with near names, or with all paths of an ambiguous name.
    pub fn select(&self, selector: &str) -> Result<&OrganizationalUnit, SelectorError> {
        let wanted = selector.trim_matches('/');
        if let Some(ou) = wanted.parse::<OuId>().ok().and_then(|id| self.ous.get(&id)) {
            return Ok(ou);
        }
        let paths: Vec<(String, &OrganizationalUnit)> = self.ous.values().map(|ou| (self.path(&ou.id), ou)).collect();
        let named: Vec<_> = paths.iter().filter(|(_, ou)| ou.name == wanted).collect();
        match named.as_slice() {
            [(_, ou)] => return Ok(ou),
            [] => {}
            several => {
                return Err(SelectorError::Ambiguous {
                    selector: selector.to_owned(),
                    paths: several.iter().map(|(path, _)| path.clone()).collect(),
                });
            }
        }
        let root_name = self.root().map_or("Root", |root| root.name.as_str());
        let full = format!("{root_name}/{wanted}");
        paths
            .iter()
            .find(|(path, _)| path == wanted || *path == full)
            .map(|(_, ou)| *ou)
            .ok_or_else(|| SelectorError::Unknown {
                selector: selector.to_owned(),
                near: nearest(wanted, &paths),
            })
    }
}

/// At most three paths whose path or last name resembles `wanted`.
fn nearest(wanted: &str, paths: &[(String, &OrganizationalUnit)]) -> Vec<String> {
    let mut scored: Vec<(f64, &String)> = paths
        .iter()
        .filter_map(|(path, ou)| {
            let likeness = [path, &ou.name].map(|name| likeness(wanted, name));
            Some((likeness.into_iter().flatten().reduce(f64::max)?, path))
        })
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    scored.into_iter().take(3).map(|(_, path)| path.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AccountState;

    fn organization() -> Organization {
        let ou = |id: &str, name: &str, parent: Option<&str>| OrganizationalUnit {
            id: id.parse().unwrap(),
            name: name.into(),
            parent: parent.map(|id| id.parse().unwrap()),
        };
        let account = |id: &str, parent: &str| {
            let account = Account {
                id: id.parse().unwrap(),
                name: id.into(),
                email: format!("{id}@example.com"),
                state: AccountState::Active,
                joined: None,
            };
            (account, parent.parse().unwrap())
        };
        Organization::new(
            "o-a1b2c3d4e5".parse().unwrap(),
            "111111111111".parse().unwrap(),
            [
                ou("r-ab12", "Root", None),
                ou("ou-ab12-aaaaaaaa", "Production", Some("r-ab12")),
                ou("ou-ab12-bbbbbbbb", "Payments", Some("ou-ab12-aaaaaaaa")),
                ou("ou-ab12-cccccccc", "Sandbox", Some("r-ab12")),
                ou("ou-ab12-dddddddd", "Payments", Some("ou-ab12-cccccccc")),
            ],
            [
                account("111111111111", "r-ab12"),
                account("222222222222", "ou-ab12-aaaaaaaa"),
                account("333333333333", "ou-ab12-bbbbbbbb"),
            ],
        )
    }

    #[test]
    fn an_ou_is_found_by_id_path_and_unique_name() {
        let organization = organization();
        for selector in ["ou-ab12-aaaaaaaa", "Root/Production", "Production", "/Production/"] {
            assert_eq!(organization.select(selector).unwrap().id.as_str(), "ou-ab12-aaaaaaaa");
        }
        assert!(organization.select("Root").unwrap().id.is_root());
    }

    #[test]
    fn an_ambiguous_name_lists_every_path() {
        let error = organization().select("Payments").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`Payments` names several OUs: Root/Production/Payments, Root/Sandbox/Payments; use a path or an id"
        );
    }

    #[test]
    fn a_name_right_below_the_root_is_ambiguous_too_if_another_ou_bears_it() {
        let mut organization = organization();
        let top = OrganizationalUnit {
            id: "ou-ab12-eeeeeeee".parse().unwrap(),
            name: "Payments".into(),
            parent: Some("r-ab12".parse().unwrap()),
        };
        organization.ous.insert(top.id.clone(), top);
        assert!(matches!(
            organization.select("Payments"),
            Err(SelectorError::Ambiguous { paths, .. }) if paths.len() == 3
        ));
        assert_eq!(
            organization.select("Root/Payments").unwrap().id.as_str(),
            "ou-ab12-eeeeeeee"
        );
        assert_eq!(
            organization.select("Sandbox/Payments").unwrap().id.as_str(),
            "ou-ab12-dddddddd"
        );
    }

    #[test]
    fn an_unknown_name_offers_near_ones() {
        let error = organization().select("Prodution").unwrap_err();
        assert!(error.to_string().contains("did you mean Root/Production?"), "{error}");
    }

    #[test]
    fn a_parent_includes_its_children() {
        let organization = organization();
        let production = "ou-ab12-aaaaaaaa".parse().unwrap();
        assert_eq!(organization.accounts_below(&[production]).len(), 2);
    }
}
