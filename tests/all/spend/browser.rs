//! The report in a real browser: sorting, filtering, both colour schemes, and a console without errors.

use billctl::render;
use billctl::spend::{By, Interval};
use serde_json::Value;

use super::fixture::Company;
use crate::support::browser::{self, View};

/// Opens the page, runs `script` in it, and answers what it returns. Fails on anything in the console.
fn in_browser(name: &str, html: &str, dark: bool, width: u32, script: &str) -> Option<Value> {
    browser::asked(
        &format!("the report in a browser ({name})"),
        html,
        View { width, dark },
        script,
    )
}

fn html() -> String {
    let report = Company::small().report(By::Account, Interval::Day, 14, None);
    render::spend_html(&report).unwrap()
}

/// The names of the rows that are shown, in order.
const NAMES: &str = "function names(){return Array.from(document.querySelectorAll('#spend tbody tr')).filter(r=>!r.hidden).map(r=>r.querySelector('b').textContent);}";

#[test]
fn columns_sort_by_click_and_say_so() {
    let script = format!(
        "{NAMES} var b=document.querySelectorAll('#spend thead button'), r={{first:names()}};\
         b[1].click(); r.down=names(); r.sort=b[1].parentNode.getAttribute('aria-sort');\
         b[1].click(); r.up=names(); r.again=b[1].parentNode.getAttribute('aria-sort');\
         b[0].click(); r.name=names(); r.other=b[1].parentNode.getAttribute('aria-sort');\
         var o=document.getElementById('order'); o.value='-1a'; o.dispatchEvent(new Event('change')); r.back=names();\
         r.focus=(b[2].focus(),document.activeElement===b[2]); return r;"
    );
    let Some(answer) = in_browser("sort", &html(), false, 1200, &script) else {
        return;
    };
    let first = |key: &str| answer[key][0].as_str().unwrap().to_owned();
    assert_eq!(first("first"), "payments-api");
    assert_eq!(first("down"), "payments-api", "highest yesterday first");
    assert_eq!(answer["down"][1], "payments-ledger");
    assert_eq!(answer["sort"], "descending");
    assert_eq!(first("up"), "former", "nothing known is lowest");
    assert_eq!(answer["up"][1], "idle");
    assert_eq!(answer["again"], "ascending");
    assert_eq!(first("name"), "build");
    assert_eq!(answer["other"], Value::Null);
    assert_eq!(answer["back"], answer["first"]);
    assert_eq!(answer["focus"], true);
}

#[test]
fn rows_filter_by_text_ou_and_what_needs_a_look() {
    let script = format!(
        "{NAMES} var f=document.getElementById('find'), o=document.getElementById('ou'), l=document.getElementById('look'), r={{}};\
         function set(e,v){{e.value=v;e.dispatchEvent(new Event(e.tagName==='SELECT'?'change':'input'));}}\
         set(f,'PAY led'); r.text=names(); r.count=document.getElementById('count').textContent; set(f,'');\
         set(o,'Root/Production'); r.ou=names(); set(o,'');\
         l.checked=true; l.dispatchEvent(new Event('change')); r.look=names();\
         set(f,'nobody'); r.none=names(); r.visible=!document.querySelector('.tools').hidden; return r;"
    );
    let Some(answer) = in_browser("filter", &html(), true, 1200, &script) else {
        return;
    };
    assert_eq!(answer["text"], serde_json::json!(["payments-ledger"]));
    assert_eq!(answer["count"], "1 of 9 shown");
    assert_eq!(answer["ou"], serde_json::json!(["payments-api", "payments-ledger"]));
    assert_eq!(answer["look"], serde_json::json!(["payments-api", "web", "build"]));
    assert_eq!(answer["none"], serde_json::json!([]));
    assert_eq!(answer["visible"], true);
}

#[test]
fn both_colour_schemes_and_a_phone_are_served() {
    let script = "var s=getComputedStyle(document.body); return {page:s.backgroundColor, ink:s.color, wide:document.documentElement.scrollWidth<=window.innerWidth, \
                  row:getComputedStyle(document.querySelector('#spend tbody tr')).display, role:document.querySelector('#spend td').getAttribute('role')};";
    for (dark, width) in [(false, 1200), (true, 1200), (false, 500), (true, 500)] {
        let Some(answer) = in_browser("scheme", &html(), dark, width, script) else {
            return;
        };
        let page = if dark { "rgb(15, 20, 25)" } else { "rgb(242, 244, 247)" };
        assert_eq!(answer["page"], page);
        assert_eq!(answer["wide"], true, "nothing sticks out at {width}");
        assert_eq!(answer["row"], if width < 820 { "grid" } else { "table-row" });
        assert_eq!(answer["role"], "cell");
    }
}
