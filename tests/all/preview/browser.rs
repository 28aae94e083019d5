//! The mails in a real browser: axe, contrast, narrow windows, names from right to left, and the pictures in docs.

use serde_json::Value;

use super::sample;
use crate::support::browser::{Page, documented};
use crate::support::node;

/// The window's width, and whether it is in dark mode.
type View = (u32, bool);

/// The narrowest phones and a usual window, in both colour schemes.
const VIEWS: [View; 3] = [(320, true), (375, false), (700, true)];

const fn page<'a>(test: &'a str, html: &'a str, (width, dark): View) -> Page<'a> {
    Page {
        width,
        dark,
        ..Page::new(test, html)
    }
}

/// Nothing sticks out of any window.
pub(super) fn fits(name: &str, html: &str) {
    for view in VIEWS {
        let script = "return [document.documentElement.scrollWidth, window.innerWidth];";
        let Some(answer) = page(name, html, view).answer(script) else {
            return;
        };
        assert!(answer[0].as_u64() <= answer[1].as_u64(), "{name} at {view:?}: {answer}");
    }
}

/// What axe finds that it calls serious or critical, contrast among it.
fn axe(source: &str, html: &str, view: View) -> Option<Vec<Value>> {
    let script = format!(
        "{source}\n;var found=await axe.run(document,{{resultTypes:['violations']}});\
         return found.violations.filter(v=>v.impact==='serious'||v.impact==='critical')\
         .map(v=>[v.id,v.nodes.map(n=>n.failureSummary+' '+n.html.slice(0,200))]);"
    );
    let answer = page("axe", html, view).answer(&script)?;
    Some(answer.as_array().unwrap_or_else(|| panic!("{answer}")).clone())
}

#[test]
fn axe_finds_nothing_serious_in_any_mail_in_either_colour_scheme() {
    let Some(packages) = node::shared("axe") else {
        return;
    };
    let source = std::fs::read_to_string(packages.file("axe-core/axe.min.js")).expect("axe");
    let views = [(700, false), (375, true)];
    let faint = "<!DOCTYPE html><html lang=\"en\"><head><title>t</title></head>\
                 <body style=\"background:#fff\"><p style=\"color:#ccc\">Faint</p></body></html>";
    let Some(found) = axe(&source, faint, views[0]) else {
        return;
    };
    assert_eq!(found[0][0], "color-contrast", "axe looks at nothing: {found:?}");
    // Every part of the mail is in one of these.
    for case in [
        "spike",
        "third-day",
        "recovery",
        "month-to-date",
        "huge",
        "no-history",
        "test",
        "hostile",
    ] {
        let mail = sample(case);
        for view in views {
            let found = axe(&source, &mail.html, view).expect("a browser");
            assert!(found.is_empty(), "{} in {view:?}: {found:#?}", mail.case);
        }
    }
}

#[test]
fn no_mail_is_wider_than_its_window() {
    for case in ["spike", "huge", "hostile", "test"] {
        fits(case, &sample(case).html);
    }
}

#[test]
fn a_name_from_right_to_left_leaves_the_amount_where_it_is() {
    let case = include_str!("../../notifier/cases/names-of-the-world.json");
    let case: Value = serde_json::from_str(case).expect("JSON");
    let subject = case["expect"]["mail"]["subject"].as_str().expect("a subject");
    let (name, rest) = subject.split_once(": ").expect("a colon");
    let bare = name.replace(['\u{200e}', '\u{2068}', '\u{2069}'], "");
    assert_ne!(name, bare, "isolated");
    let places = |subject: &str, direction: &str| {
        let html = format!(
            "<!DOCTYPE html><meta charset=\"utf-8\"><body><p dir=\"{direction}\" id=\"s\">{subject}</p></body>"
        );
        let script = "var t=document.getElementById('s').firstChild,s=t.data,a=s.indexOf('$');\
                      function at(from,to){var r=document.createRange();r.setStart(t,from);r.setEnd(t,to);return r.getBoundingClientRect();}\
                      var first=s.search(/[\\u0590-\\u05ff]/);\
                      return [at(first,first+1).left, at(a,a+1).left, at(a+1,a+2).left];";
        page("right to left", &html, (700, false)).answer(script)
    };
    let order = |at: &Value| at[0].as_f64() < at[1].as_f64() && at[1].as_f64() < at[2].as_f64();
    // Mail programs fix the direction, or let the first letter decide.
    for direction in ["ltr", "auto"] {
        let Some(isolated) = places(subject, direction) else {
            return;
        };
        assert!(order(&isolated), "{direction}: {isolated}: {subject}");
        let disordered = places(&format!("{bare}: {rest}"), direction).expect("a browser");
        assert!(!order(&disordered), "without isolates it is no test: {disordered}");
    }
}

/// The pictures in docs: the file, the sample, the view.
const PICTURES: [(&str, &str, View); 10] = [
    ("mail-light", "spike", (700, false)),
    ("mail-dark", "spike", (700, true)),
    ("mail-phone", "spike", (375, false)),
    ("mail-phone-dark", "spike", (375, true)),
    ("mail-reminder", "third-day", (375, false)),
    ("mail-recovery", "recovery", (375, true)),
    ("mail-month", "month-to-date", (375, false)),
    ("mail-new-account", "new-account", (375, true)),
    ("mail-huge", "huge", (375, false)),
    ("mail-test", "test", (375, true)),
];

#[test]
fn the_pictures_in_docs_show_the_mails_as_they_are() {
    for (file, case, view) in PICTURES {
        let Some(taken) = page("the pictures in docs", &sample(case).html, view).picture("", None) else {
            return;
        };
        documented(&format!("{file}.png"), &taken);
    }
}
