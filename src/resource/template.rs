use serde_json::{Map, Value, json};

use super::Thing;
use super::names::{self, Naming};
use billctl_core::service::sesv2::EmailTemplate;

/// The stored mail template.
impl Thing for EmailTemplate {
    fn desired(naming: &Naming) -> Vec<Self> {
        vec![Self {
            name: naming.config.names.template.clone(),
            subject: include_str!("../../assets/mail/subject.txt").trim_end().to_owned(),
            html: include_str!(concat!(env!("OUT_DIR"), "/mail/body.html")).to_owned(),
            text: include_str!("../../assets/mail/body.txt").to_owned(),
            tags: names::tags(),
        }]
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn is_ours(&self) -> bool {
        names::are_ours(&self.tags)
    }

    /// The texts, with line ends as one: SES may store CRLF.
    fn document(&self) -> Value {
        let plain = |text: &str| text.replace("\r\n", "\n").trim_end().to_owned();
        json!({
            "subject": plain(&self.subject),
            "html": plain(&self.html),
            "text": plain(&self.text),
        })
    }
}

/// Data with which every part of a template is rendered: each variable it names, each list with one entry. For
/// TestRenderEmailTemplate, which fails on a template that doesn't render as a send would do silently
/// (docs/aws-facts.md, "SES: templates").
pub fn sample_data(template: &EmailTemplate) -> Value {
    let mut data = Map::new();
    for text in [&template.subject, &template.html, &template.text] {
        let mut lists: Vec<&str> = Vec::new();
        for tag in text.split("{{").skip(1).filter_map(|rest| rest.split_once("}}")) {
            let tag = tag.0.trim();
            if let Some(list) = tag.strip_prefix("#each ") {
                lists.push(list.trim());
                data.entry(list.trim()).or_insert_with(|| json!([Map::new()]));
            } else if tag == "/each" {
                lists.pop();
            } else if !tag.starts_with('/') && tag != "else" && !tag.starts_with('!') {
                let name = tag.strip_prefix("#if ").unwrap_or(tag).trim();
                let place = match lists.last() {
                    Some(list) => data
                        .get_mut(*list)
                        .and_then(|list| list.get_mut(0))
                        .and_then(Value::as_object_mut),
                    None => Some(&mut data),
                };
                if let Some(place) = place {
                    place.entry(name).or_insert_with(|| json!("1"));
                }
            }
        }
    }
    Value::Object(data)
}
