use std::borrow::Cow;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

/// A value with its place in the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct At<T> {
    /// The value.
    pub value: T,
    /// Its bytes in the file.
    pub span: Range<usize>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        Ok(Self {
            span: spanned.span(),
            value: spanned.into_inner(),
        })
    }
}

/// A key that may be left out. In the schema it is its value: TOML has no null.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(transparent)]
pub(super) struct Key<T>(pub Option<At<T>>);

impl<T> Key<T> {
    /// The value, if there is one.
    pub(super) fn value(self) -> Option<T> {
        self.0.map(|at| at.value)
    }

    /// Where it is.
    pub(super) fn span(&self) -> Option<Range<usize>> {
        self.0.as_ref().map(|at| at.span.clone())
    }
}

impl<T> Default for Key<T> {
    fn default() -> Self {
        Self(None)
    }
}

/// Both wrappers look like what they wrap.
macro_rules! transparent_schema {
    ($wrapper:ident) => {
        impl<T: JsonSchema> JsonSchema for $wrapper<T> {
            fn schema_name() -> Cow<'static, str> {
                T::schema_name()
            }

            fn schema_id() -> Cow<'static, str> {
                T::schema_id()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                T::json_schema(generator)
            }
        }
    };
}
transparent_schema!(At);
transparent_schema!(Key);
