//! Changes of a config.toml that somebody wrote: what they wrote stays as it is, comments too.

use toml_edit::{Array, DocumentMut, Item, RawString, Table, TableLike, Value};

use super::Config;
use billctl_core::error::{Error, Result};

/// The text with these OUs in `[deploy] ous` as well.
///
/// # Errors
/// The text is no valid config, or keeps its OUs in a form that can't be added to.
pub fn with_ous(name: &str, text: &str, ous: &[String]) -> Result<String> {
    let before = Config::parse(name, text)?;
    let mut document: DocumentMut = text.parse().map_err(|_| other(name))?;
    let deploy = document.entry("deploy").or_insert_with(|| {
        let mut table = Table::new();
        table.decor_mut().set_prefix("\n");
        Item::Table(table)
    });
    let array = deploy.as_table_like_mut().and_then(array).ok_or_else(|| other(name))?;
    for ou in ous {
        push(array, ou);
    }
    let wanted = |config: &mut Config, _: &Config| config.deploy.ous.extend(ous.iter().cloned());
    written(name, text, &document, before, wanted)?.ok_or_else(|| other(name))
}

/// The text of a document that was made of `text` and changed; None if it now says anything else than `before`, with
/// what `wanted` puts into that: somebody's file is at stake. `wanted` is also given what the changed one says.
///
/// # Errors
/// The document is no valid config any more.
pub(super) fn written(
    name: &str,
    text: &str,
    document: &DocumentMut,
    before: Config,
    wanted: impl FnOnce(&mut Config, &Config),
) -> Result<Option<String>> {
    let mut edited = document.to_string();
    // The writer ends its own lines in one way, whatever the others do.
    if text.contains("\r\n") {
        edited = edited.replace("\r\n", "\n").replace('\n', "\r\n");
    }
    let after = Config::parse(name, &edited)?;
    let mut expected = before;
    wanted(&mut expected, &after);
    expected.source.clone_from(&after.source);
    Ok((expected == after).then_some(edited))
}

fn other(name: &str) -> Error {
    Error::failed(format!("[deploy] ous in {name} can't be added to by billctl")).remedy("add it by hand")
}

fn array(deploy: &mut dyn TableLike) -> Option<&mut Array> {
    if !deploy.contains_key("ous") {
        deploy.insert("ous", Item::Value(Value::Array(Array::new())));
    }
    deploy.get_mut("ous")?.as_array_mut()
}

/// Adds it on a line of its own where the others have one. A comment after the last one stays with that.
fn push(array: &mut Array, ou: &str) {
    let raw = |raw: Option<&RawString>| raw.and_then(RawString::as_str).unwrap_or_default().to_owned();
    let before = array.iter().last().map(|last| raw(last.decor().prefix()));
    array.push(ou);
    let Some((_, indent)) = before.as_deref().and_then(|before| before.rsplit_once('\n')) else {
        return;
    };
    let indent = format!("\n{indent}");
    let at = array.len() - 1;
    let mut comment = String::new();
    if at > 0
        && let Some(last) = array.get_mut(at - 1)
    {
        comment = raw(last.decor().suffix()).trim_end().to_owned();
        last.decor_mut().set_suffix("");
    }
    let trailing = raw(Some(array.trailing()));
    if trailing.contains('#') {
        comment = trailing.trim_end().to_owned();
    }
    if let Some(new) = array.get_mut(at) {
        new.decor_mut().set_prefix(format!("{comment}{indent}"));
    }
    array.set_trailing("\n");
    array.set_trailing_comma(true);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str = "[mail]\nfrom = \"billing@example.com\"\n";

    fn edited(deploy: &str) -> String {
        let text = format!("{deploy}{MAIL}");
        let after = with_ous("config.toml", &text, &["Root/New".to_owned()]).unwrap();
        // What was there is there, line by line, but for the one that is added to.
        let left: Vec<&str> = text
            .lines()
            .filter(|line| !after.lines().any(|kept| kept == *line))
            .collect();
        assert!(left.len() <= 1, "{left:?} in\n{after}");
        let (deploy, mail) = after.split_at(after.find("[mail]").unwrap());
        assert!(mail.starts_with(MAIL.trim_end()) || mail.contains("ous"), "{after}");
        deploy.to_owned()
    }

    #[test]
    fn an_ou_is_added_in_the_style_of_the_others_and_comments_stay_where_they_are() {
        for (before, after) in [
            (
                "[deploy]\nous = [\"A\"] # ours\n",
                "[deploy]\nous = [\"A\", \"Root/New\"] # ours\n",
            ),
            ("[deploy]\nous = []\n", "[deploy]\nous = [\"Root/New\"]\n"),
            (
                "# why\n[deploy] # how\nauto-deploy = false\n",
                "# why\n[deploy] # how\nauto-deploy = false\nous = [\"Root/New\"]\n",
            ),
            (
                "[deploy]\nous = [\n    # the first\n    \"A\", # a\n    \"B\", # b\n]\n\n# more\n",
                "[deploy]\nous = [\n    # the first\n    \"A\", # a\n    \"B\", # b\n    \"Root/New\",\n]\n\n# more\n",
            ),
            (
                "[deploy]\nous = [\n  \"A\",\n  \"B\"\n]\n",
                "[deploy]\nous = [\n  \"A\",\n  \"B\",\n  \"Root/New\",\n]\n",
            ),
            ("deploy.ous = [\"A\"]\n", "deploy.ous = [\"A\", \"Root/New\"]\n"),
            (
                "deploy = { ous = [\"A\"] }\n",
                "deploy = { ous = [\"A\", \"Root/New\"] }\n",
            ),
        ] {
            assert_eq!(edited(before), after);
        }
        // Without the table, it comes last.
        let whole = with_ous("config.toml", MAIL, &["Root/New".to_owned()]).unwrap();
        assert_eq!(whole, format!("{MAIL}\n[deploy]\nous = [\"Root/New\"]\n"));
    }

    #[test]
    fn line_ends_stay_and_a_wave_is_left_alone() {
        let text = "[deploy]\r\nous = [\"A\"]\r\n\r\n[[wave]] # w\r\nname = \"one\"\r\nous = [\"B\"]\r\n[mail]\r\nfrom = \"billing@example.com\"\r\n";
        let after = with_ous("config.toml", text, &["Root/New".to_owned()]).unwrap();
        assert_eq!(after, text.replace("[\"A\"]", "[\"A\", \"Root/New\"]"));
    }

    #[test]
    fn what_cant_be_added_to_is_left_and_said() {
        for text in [
            "[deploy]\nous = \"A\"\n",
            "no config",
            "[deploy]\nous = [\"Root/New\"]\n",
        ] {
            with_ous("config.toml", &format!("{text}{MAIL}"), &["Root/New".to_owned()]).unwrap_err();
        }
    }
}
