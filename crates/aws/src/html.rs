use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// Refuses a web page as an answer. The SDK doesn't read the answer of an operation that returns nothing, such as
/// DeleteRole: a proxy's sign-in page would count as success.
#[derive(Debug)]
pub(super) struct RefuseHtml;

impl Intercept for RefuseHtml {
    fn name(&self) -> &'static str {
        "RefuseHtml"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response().body().bytes().unwrap_or_default();
        // By its text: some endpoints send real answers as `text/html`.
        if is_html(body) {
            return Err("the answer is a web page".into());
        }
        Ok(())
    }
}

fn is_html(body: &[u8]) -> bool {
    let body = body.trim_ascii_start();
    ["<!doctype html", "<html"].iter().any(|opening| {
        body.get(..opening.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(opening.as_bytes()))
    })
}
