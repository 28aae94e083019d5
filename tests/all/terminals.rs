//! Pictures of terminals in the documentation: what the built binary prints, colours and all. `UPDATE=1` makes them anew.

use anstyle_svg::Term;

use crate::support::fresh;
use crate::support::home::Home;

/// Columns of the terminal that is shown.
const WIDTH: &str = "110";

/// What stands in a terminal in which these are typed, one after the other.
fn typed(home: &Home, lines: &[&str]) -> String {
    let mut shown = String::new();
    for line in lines {
        let output = home
            .command()
            .args(line.split(" "))
            .args(["--color=always", "--sandbox=sandbox.json"])
            .env("COLUMNS", WIDTH)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        shown += &format!("\u{1b}[1m$ billctl {line}\u{1b}[0m\n{}\n", said.concat().trim_end());
    }
    // An operation's id ends in something random.
    let random = regex_lite::Regex::new("-[0-9a-f]{32}").unwrap();
    random.replace_all(&shown, "-…").into_owned()
}

fn documented(file: &str, shown: &str) {
    fresh(&format!("docs/images/{file}"), &Term::new().render_svg(shown));
}

#[test]
fn the_picture_of_status_is_what_it_prints() {
    let home = Home::demo();
    let config = "[alarm]\nthreshold = 100\n[deploy]\nous = [\"Production\"]\n[mail]\nfrom = \"billing@example.com\"\n";
    home.config(config);
    for line in ["bootstrap", "sandbox verify billing@example.com", "deploy"] {
        home.run(line).code(0);
    }
    home.config(&format!(
        "{config}[[threshold]]\nou = \"Root/Production/Payments\"\nusd = 250\n"
    ));
    documented("status.svg", &typed(&home, &["status"]));
}

/// The first of two waves fails in one account, and nothing outside it changes. All of its accounts begin at once: in
/// which order they would, the operation's id decides, which is new each time.
#[test]
fn the_pictures_of_a_wave_are_what_is_printed_and_what_is_there() {
    let home = Home::demo();
    let config = |threshold: u32| {
        format!(
            "[alarm]\nthreshold = {threshold}\n[deploy]\nous = [\"Sandboxes\", \"Security\"]\n\
             max-concurrent = \"100%\"\nconcurrency-mode = \"soft\"\n\
             [mail]\nfrom = \"billing@example.com\"\n\
             [[wave]]\nname = \"sandboxes\"\nous = [\"Sandboxes\"]\nfailure-tolerance = 0\n\
             [[wave]]\nname = \"security\"\nous = [\"Security\"]\n"
        )
    };
    home.config(&config(100));
    for line in ["bootstrap", "deploy"] {
        home.run(line).code(0);
    }
    home.config(&config(60));
    home.run("sandbox fail account sandbox-hugo because").code(0);
    documented("wave-left.svg", &typed(&home, &["deploy --plan", "deploy"]));
    let right = typed(&home, &["status --ou Sandboxes", "status --ou Security"]);
    documented("wave-right.svg", &right);
    // What the pictures are there to show.
    let security = home.run("status --ou Security --format json").stdout;
    let security: serde_json::Value = serde_json::from_str(&security).unwrap();
    for account in security["accounts"].as_array().unwrap() {
        assert_eq!(account["effective"], 100.0, "{account}");
    }
}
