use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// Refuses what the SDK would take for an answer though it is none: a web page where an operation returns nothing
/// (a proxy's sign-in page would count as DeleteRole's success), and XML that stops in the middle or nothing at all
/// where something is asked for (which would count as a short list).
#[derive(Debug)]
pub(super) struct RefuseStrange;

/// Why an answer isn't one.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(super) enum Strange {
    #[error("a web page")]
    Page,
    #[error("it stops in the middle")]
    Cut,
    #[error("it is empty")]
    Empty,
}

impl Intercept for RefuseStrange {
    fn name(&self) -> &'static str {
        "RefuseStrange"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        let body = response.body().bytes().unwrap_or_default().trim_ascii();
        // By its text: some endpoints send real answers as `text/html`.
        if is_html(body) {
            return Err(Strange::Page.into());
        }
        if !response.status().is_success() {
            return Ok(());
        }
        let operation = config.load::<Metadata>().map_or("", Metadata::name);
        let asks = ["Get", "List", "Describe"]
            .iter()
            .any(|verb| operation.starts_with(verb));
        if asks && body.is_empty() {
            return Err(Strange::Empty.into());
        }
        if is_cut(body) {
            return Err(Strange::Cut.into());
        }
        Ok(())
    }
}

pub(super) fn is_html(body: &[u8]) -> bool {
    ["<!doctype html", "<html"].iter().any(|opening| {
        body.get(..opening.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(opening.as_bytes()))
    })
}

/// Whether this is XML whose outermost element isn't closed: the SDK reads a document only as far as it needs.
pub(super) fn is_cut(body: &[u8]) -> bool {
    let Ok(mut text) = std::str::from_utf8(body) else {
        // XML is UTF-8 at AWS, and so are JSON's errors found by its reader; the rest is CBOR.
        return body.starts_with(b"<");
    };
    let declaration = text.strip_prefix("<?xml");
    if let Some(declared) = declaration {
        text = declared.split_once("?>").map_or("<", |(_, rest)| rest.trim_start());
    }
    let Some(opened) = text.strip_prefix('<') else {
        return declaration.is_some();
    };
    let name = opened
        .split([' ', '\t', '\r', '\n', '>', '/'])
        .next()
        .unwrap_or_default();
    let closed = text
        .strip_suffix('>')
        .and_then(|text| text.trim_end().strip_suffix(name)?.strip_suffix("</"));
    let only = opened.strip_suffix("/>").is_some_and(|inside| !inside.contains('<'));
    name.is_empty() || (closed.is_none() && !only)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_whole_only_with_its_last_letter() {
        let documents = [
            "<?xml version=\"1.0\"?>\n<ListRolesResponse xmlns=\"x\"><A><B>1</B></A></ListRolesResponse>",
            "<DeleteRoleResponse/>",
        ];
        for document in documents {
            assert!(!is_cut(document.as_bytes()), "{document}");
            for end in 1..document.len() {
                assert!(is_cut(&document.as_bytes()[..end]), "{}", &document[..end]);
            }
        }
        for other in ["{}", "", "hello", "{\"a\": \"<b>\"}"] {
            assert!(!is_cut(other.as_bytes()), "{other}");
        }
    }
}
