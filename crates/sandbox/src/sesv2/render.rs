//! Stored templates as SES renders them: Handlebars, no escaping, and a missing variable is an error
//! (docs/aws-facts.md, "SES: templates").

use std::cell::RefCell;

use handlebars::{Handlebars, Template, no_escape};
use jiff::Timestamp;
use serde_json::Value;

use billctl_core::service::sesv2::EmailTemplate;

/// A rendered mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) subject: String,
    pub(super) html: String,
    pub(super) text: String,
}

impl Parts {
    /// The mail as MIME text, as TestRenderEmailTemplate answers it.
    pub(super) fn mime(&self, at: Timestamp) -> String {
        const BOUNDARY: &str = "----=_Part_billctl_sandbox";
        format!(
            "Date: {}\r\nSubject: {}\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/alternative; boundary=\"{BOUNDARY}\"\r\n\r\n\
             --{BOUNDARY}\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{}\r\n\
             --{BOUNDARY}\r\nContent-Type: text/html; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{}\r\n\
             --{BOUNDARY}--\r\n",
            at.strftime("%a, %d %b %Y %H:%M:%S +0000"),
            self.subject,
            self.text,
            self.html,
        )
    }
}

thread_local! {
    /// The last one, parsed: a world's mails nearly all have the same, and to parse it takes longer than to fill it.
    static KNOWN: RefCell<Option<(EmailTemplate, Handlebars<'static>)>> = const { RefCell::new(None) };
}

fn engine(template: &EmailTemplate) -> Result<Handlebars<'static>, String> {
    let mut engine = Handlebars::new();
    engine.set_strict_mode(true);
    engine.register_escape_fn(no_escape);
    for (part, source) in parts(template) {
        engine.register_template(part, compile(part, source)?);
    }
    Ok(engine)
}

fn compile(part: &str, source: &str) -> Result<Template, String> {
    Template::compile(source).map_err(|why| format!("The {part} part of the template is not valid: {why}"))
}

/// Whether the template's parts are Handlebars.
pub(super) fn check(template: &EmailTemplate) -> Result<(), String> {
    let mut parts = parts(template).into_iter();
    parts.try_for_each(|(part, source)| compile(part, source).map(drop))
}

fn parts(template: &EmailTemplate) -> [(&'static str, &str); 3] {
    [
        ("subject", &template.subject),
        ("HTML", &template.html),
        ("text", &template.text),
    ]
}

/// The mail with this data.
///
/// # Errors
/// What SES would say in a `RENDERING_FAILURE` event.
pub(super) fn render(template: &EmailTemplate, data: &Value) -> Result<Parts, String> {
    KNOWN.with_borrow_mut(|known| {
        let (_, engine) = match known {
            Some(known) if known.0 == *template => known,
            _ => known.insert((template.clone(), engine(template)?)),
        };
        let part = |(part, _): (&str, &str)| {
            engine
                .render(part, data)
                .map_err(|why| format!("Attribute is not present in the rendering data, in the {part} part: {why}"))
        };
        let [subject, html, text] = parts(template).map(part);
        Ok(Parts {
            subject: subject?,
            html: html?,
            text: text?,
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(html: &str) -> EmailTemplate {
        EmailTemplate {
            name: "t".into(),
            subject: "{{subject}}".into(),
            html: html.into(),
            text: "{{#each rows}}{{name}} {{/each}}".into(),
            tags: Default::default(),
        }
    }

    #[test]
    fn nothing_is_escaped_as_in_ses() {
        let data = json!({"subject": "<b>&", "rows": [{"name": "a<"}, {"name": "b"}]});
        let parts = render(&template("{{#if rows}}<p>{{subject}}</p>{{/if}}"), &data).unwrap();
        assert_eq!(parts.subject, "<b>&");
        assert_eq!(parts.html, "<p><b>&</p>");
        assert_eq!(parts.text, "a< b ");
    }

    #[test]
    fn a_missing_variable_is_an_error() {
        let data = json!({"subject": "s", "rows": []});
        let why = render(&template("{{missing}}"), &data).unwrap_err();
        assert!(why.contains("missing"), "{why}");
    }

    #[test]
    fn a_template_that_does_not_parse_is_refused() {
        assert!(check(&template("{{#if x}}never closed")).is_err());
        assert!(check(&template("{{#*inline \"p\"}}{{x}}{{/inline}}{{> p}}")).is_ok());
    }
}
