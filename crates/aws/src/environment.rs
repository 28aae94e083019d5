use std::collections::BTreeMap;

use crate::trouble::Trouble;

/// The process's environment, or a test's.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment(BTreeMap<String, Option<String>>);

impl Environment {
    /// The process's own.
    pub(crate) fn of_process() -> Self {
        let variables = std::env::vars_os();
        Self(
            variables
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok())))
                .collect(),
        )
    }

    /// A test's.
    #[cfg(test)]
    pub(crate) fn of(variables: &[(&str, &str)]) -> Self {
        let variables = variables.iter();
        Self(
            variables
                .map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())))
                .collect(),
        )
    }

    /// A variable's value without the space around it; an empty one is as good as none, as in the AWS CLI.
    pub(crate) fn get(&self, name: &str) -> Result<Option<&str>, Trouble> {
        match self.0.get(name) {
            Some(Some(value)) => Ok(Some(value.trim()).filter(|value| !value.is_empty())),
            Some(None) => Err(Trouble::new(format!("{name} is not UTF-8")).remedy(format!("set {name} again"))),
            None => Ok(None),
        }
    }

    /// A variable's value as it is.
    pub(crate) fn raw(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_deref()
    }

    /// The first of these variables that says something, with its name.
    pub(crate) fn first<'a>(&self, names: &[&'a str]) -> Result<Option<(&'a str, &str)>, Trouble> {
        for name in names {
            if let Some(value) = self.get(name)? {
                return Ok(Some((name, value)));
            }
        }
        Ok(None)
    }

    /// A variable's value as it is; an empty one is as good as none.
    pub(crate) fn whole(&self, name: &str) -> Result<Option<&str>, Trouble> {
        self.get(name)?;
        Ok(self.raw(name).filter(|value| !value.is_empty()))
    }

    /// A path with the variables in it, `$HOME` or `${HOME}`, filled in; one that isn't set stays as it is.
    pub(crate) fn filled(&self, path: &str) -> String {
        let mut filled = String::new();
        let mut rest = path;
        while let Some((before, after)) = rest.split_once('$') {
            filled.push_str(before);
            let (name, end) = match after.strip_prefix('{').and_then(|inside| inside.split_once('}')) {
                Some((name, _)) => (name, name.len() + 2),
                None => {
                    let end = after.find(|one: char| !one.is_ascii_alphanumeric() && one != '_');
                    let name = &after[..end.unwrap_or(after.len())];
                    (name, name.len())
                }
            };
            match self.raw(name) {
                Some(value) => filled.push_str(value),
                None => {
                    filled.push('$');
                    filled.push_str(&after[..end]);
                }
            }
            rest = &after[end..];
        }
        filled + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_s_variables_are_filled_in() {
        let environment = Environment::of(&[("HOME", "/h"), ("X_1", "x")]);
        for (path, filled) in [
            ("$HOME/a", "/h/a"),
            ("${HOME}a$X_1.b", "/hax.b"),
            ("$NO/${NO}/$", "$NO/${NO}/$"),
            ("${HOME", "${HOME"),
            ("a$$X_1", "a$x"),
        ] {
            assert_eq!(environment.filled(path), filled);
        }
    }
}
