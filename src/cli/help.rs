//! What `--help` says below a command's own options: examples, related commands, and where to read on. The options that
//! every command takes are listed once, by `billctl --help`.

use clap::Command;
use clap::builder::StyledStr;

use super::context::GLOBAL_HEADING;

/// One command's examples (what is typed, and what it does, a line each, as help shows them), its relatives, and its page
/// of the documentation.
struct More {
    command: &'static str,
    examples: &'static str,
    related: &'static [&'static str],
    page: &'static str,
}

/// What every command takes, in a line.
const GLOBAL: &str = "Global options: --config, --profile, --sandbox, --format, --color, --verbose, --quiet, --yes. \
                      `billctl --help` explains them.";

const MORE: &[More] = &[
    More {
        command: "init",
        examples: "
  billctl init --from billing@example.com       Cover the OUs right below the root
  billctl init --ou Production --threshold 250  Cover one OU, 250 dollars a day
",
        related: &["doctor", "bootstrap"],
        page: "configuration.md",
    },
    More {
        command: "doctor",
        examples: "
  billctl doctor                                What is missing before bootstrap and deploy
  billctl doctor --profile audit --format json  As another profile, for a program
",
        related: &["bootstrap", "status"],
        page: "permissions.md",
    },
    More {
        command: "bootstrap",
        examples: "
  billctl bootstrap --plan              What would be made or changed; nothing is
  billctl bootstrap                     Make or repair it
  billctl bootstrap --wait-verified=30  And wait for SES's verification
",
        related: &["doctor", "deploy", "test-alert"],
        page: "notifier.md",
    },
    More {
        command: "deploy",
        examples: "
  billctl deploy --plan           What would change everywhere; nothing does
  billctl deploy --ou Staging     Staging and the OUs below it, and no other account
  billctl deploy --yes --no-wait  In CI: all that config targets, or exit code 5
  billctl deploy --repair         Fix what `status --drift` found
",
        related: &["status", "destroy", "policy"],
        page: "rollout.md",
    },
    More {
        command: "status",
        examples: "
  billctl status                                  Where every account stands
  billctl status --check                          In CI: exit code 4 if anything isn't as it should be
  billctl status --ou Production --only findings  Only what is wrong there
  billctl status --watch                          Look again every few seconds
",
        related: &["deploy", "spend", "doctor"],
        page: "runbook.md",
    },
    More {
        command: "spend",
        examples: "
  billctl spend                    The last two weeks of every account
  billctl spend --by ou --days 31  A month, an OU a row
  billctl spend --html spend.html  A report for a browser
  billctl spend --suggest --write  Put thresholds from each account's own history into config.toml
  billctl spend --tell             In CI, hourly: tell owners whose alarm stayed silent
",
        related: &["status", "preview"],
        page: "spend.md",
    },
    More {
        command: "digest",
        examples: "
  billctl digest --preview out  The mail as files; nothing is sent
  billctl digest                Send it, once a day: in CI on weekdays
",
        related: &["spend", "status"],
        page: "digest.md",
    },
    More {
        command: "destroy",
        examples: "
  billctl destroy --plan  What would be removed; nothing is
",
        related: &["deploy", "bootstrap"],
        page: "rollout.md",
    },
    More {
        command: "preview",
        examples: "
  billctl preview --all                   Every kind of mail, from sample data
  billctl preview --account 111122223333  What the owner of this account would get
",
        related: &["test-alert", "spend"],
        page: "mail.md",
    },
    More {
        command: "test-alert",
        examples: "
  billctl test-alert --account 111122223333 --to me@example.com  From the bus to your own mailbox
  billctl test-alert --account 111122223333 --from-member        From the member's own alarm
",
        related: &["resend", "preview", "status"],
        page: "notifier.md",
    },
    More {
        command: "resend",
        examples: "
  billctl resend --plan  What would be sent again
  billctl resend         Send it
",
        related: &["status", "test-alert"],
        page: "runbook.md",
    },
    More {
        command: "policy",
        examples: "
  billctl policy status                             For a job that only looks
  billctl policy thresholds --account 111122223333  For CI that covers accounts and moves thresholds
  billctl policy operator                           For whoever runs bootstrap and deploy
",
        related: &["doctor", "deploy"],
        page: "permissions.md",
    },
    More {
        command: "template",
        examples: "
  billctl template --account 111122223333  What the members would get; AWS isn't asked
",
        related: &["deploy"],
        page: "rollout.md",
    },
    More {
        command: "demo",
        examples: "
  billctl demo  The whole story, without an AWS account; --fast doesn't wait
",
        related: &["sandbox", "init"],
        page: "sandbox.md",
    },
    More {
        command: "sandbox",
        examples: "
  billctl sandbox new         Make the demo's organisation
  billctl sandbox advance 6h  Let six hours pass
  billctl status --sandbox    Work on it with any command
",
        related: &["demo"],
        page: "sandbox.md",
    },
    More {
        command: "schema",
        examples: "
  billctl schema config  What config.toml may say
  billctl schema status  What `status --format json` answers
",
        related: &["init"],
        page: "json.md",
    },
    More {
        command: "completions",
        examples: "
  billctl completions zsh  To standard output
",
        related: &["man"],
        page: "completion.md",
    },
    More {
        command: "man",
        examples: "
  billctl man             One page, to standard output
  billctl man --dir man1  A page for every command
",
        related: &["completions"],
        page: "configuration.md",
    },
];

/// `command` with examples, related commands and a page at the end of each subcommand's help, and with the options that
/// every command takes explained by its own help alone. For parsing; completions and manual pages are made from the
/// whole.
pub(super) fn folded(command: Command) -> Command {
    let short = global_section(&command.clone().render_help());
    let long = global_section(&command.clone().render_long_help());
    below(command.mut_args(|argument| {
        let global = argument.is_global_set();
        argument.hide(global)
    }))
    .after_help(short)
    .after_long_help(long)
    .override_usage("billctl [OPTIONS] <COMMAND>")
}

/// The text of the options that every command takes, as `help` has it.
fn global_section(help: &StyledStr) -> StyledStr {
    let help = help.ansi().to_string();
    let heading = help.find(GLOBAL_HEADING).unwrap_or(help.len());
    let start = help[..heading].rfind('\n').map_or(0, |end| end + 1);
    help[start..].trim_end().to_owned().into()
}

/// What stands below the options of every command that is below `command`.
fn below(command: Command) -> Command {
    command.mut_subcommands(|sub| {
        let more = MORE.iter().find(|more| more.command == sub.get_name());
        below(sub).after_help(more.map_or_else(|| GLOBAL.to_owned(), More::text))
    })
}

impl More {
    /// What stands below the options.
    fn text(&self) -> String {
        let related: Vec<String> = self.related.iter().map(|name| format!("billctl {name}")).collect();
        format!(
            "{GLOBAL}\n\nExamples:{}\nSee also: {}; {}",
            self.examples,
            related.join(", "),
            link(self.page)
        )
    }
}

/// The page's address, or its path where the package names no repository.
fn link(page: &str) -> String {
    match env!("CARGO_PKG_REPOSITORY") {
        "" => format!("docs/{page}"),
        repository => format!("{repository}/blob/v{}/docs/{page}", env!("CARGO_PKG_VERSION")),
    }
}

#[cfg(test)]
#[cfg(feature = "sandbox")]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::{CommandFactory, Parser};

    #[test]
    fn every_command_has_examples_that_parse_relatives_that_exist_and_a_page() {
        let command = Cli::command();
        let names: Vec<_> = command.get_subcommands().map(Command::get_name).collect();
        for name in &names {
            assert!(MORE.iter().any(|more| more.command == *name), "{name} has no examples");
        }
        for more in MORE {
            assert!(names.contains(&more.command), "{} is no command", more.command);
            assert!(!more.examples.trim().is_empty());
            for line in more.examples.trim().lines() {
                let (typed, does) = line.trim_start().split_once("  ").expect(line);
                assert!(!does.trim().is_empty(), "{line}");
                Cli::try_parse_from(typed.split(' ')).unwrap_or_else(|error| panic!("{typed}: {error}"));
            }
            for related in more.related {
                assert!(names.contains(related), "{}: {related} is no command", more.command);
            }
            let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("docs")
                .join(more.page);
            assert!(page.is_file(), "{}", page.display());
        }
    }

    /// A value for each word that stands for one, such that clap takes it.
    fn filled(word: &str) -> String {
        let word = word.trim_matches(|c| matches!(c, '"' | '\'' | '[' | ']' | ',' | ';'));
        // Options may be added to a word as a whole.
        let word = word.strip_suffix("{}").filter(|word| !word.is_empty()).unwrap_or(word);
        let (option, value) = word.split_once('=').unwrap_or(("", word));
        let placeholder = !value.is_empty() && value.chars().all(|c| c.is_ascii_uppercase() || c == '{' || c == '}');
        let value = match value {
            "ADDRESS" => "ann@example.com",
            "SHELL" => "bash",
            "KIND" | "JOB" | "{job}" => "status",
            _ if placeholder || value.starts_with('{') => "5",
            value => value,
        };
        match option {
            "" => value.to_owned(),
            option => format!("{option}={value}"),
        }
    }

    /// The commands in a text: in backticks, and in Markdown also those that stand on lines of their own.
    fn commands(text: &str, is_markdown: bool) -> Vec<String> {
        // A literal or a comment goes on in the next line.
        let lines = text
            .lines()
            .map(|line| line.trim_start().trim_start_matches("//!").trim_start_matches('/'));
        let joined = lines
            .collect::<Vec<_>>()
            .join("\n")
            .replace("\\\n", "")
            .replace('\n', " ");
        let mut found: Vec<String> = joined
            .match_indices("`billctl ")
            .filter_map(|(at, _)| joined.get(at + 1..)?.split('`').next().map(str::to_owned))
            .collect();
        if is_markdown {
            let command = Cli::command();
            let blocks = text.split("\n```").skip(1).step_by(2);
            let own = blocks.flat_map(str::lines).map(|line| line.trim_start_matches("$ "));
            // What it answers may begin with its name too.
            let is_typed = |line: &&str| {
                let words = line.strip_prefix("billctl ");
                let verb = words.and_then(|words| words.split_whitespace().next());
                verb.is_some_and(|verb| command.get_subcommands().any(|known| known.get_name() == verb))
            };
            // What it is for may stand beside it.
            let own = own.map(|line| line.split("  ").next().unwrap_or(line));
            found.extend(own.filter(is_typed).map(str::to_owned));
            // In prose a command may be meant as a whole, and what billctl says may begin with its name.
            found.retain(|line| {
                let mut words = line.split_whitespace().skip(1);
                let is_verb = |word: &str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
                words.next().is_some_and(is_verb) && words.next().is_some()
            });
        }
        found
    }

    #[test]
    fn every_command_that_is_printed_or_documented_parses() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut left: Vec<_> = ["src", "crates", "docs", "assets", "README.md"]
            .map(|name| root.join(name))
            .into();
        let (mut wrong, mut count) = (Vec::new(), 0);
        while let Some(path) = left.pop() {
            if path.is_dir() {
                left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
                continue;
            }
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            // This test's own text is no command.
            if !["rs", "md", "yaml"].contains(&ending) || path.ends_with(file!()) {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for command in commands(&text, ending == "md") {
                // What isn't an option's value stands for options.
                let takes_value = |line: &str| {
                    line.split_whitespace()
                        .last()
                        .is_some_and(|word| word.starts_with("--"))
                };
                let command = command
                    .strip_suffix(" {}")
                    .filter(|rest| !takes_value(rest))
                    .unwrap_or(&command);
                let typed: Vec<String> = command
                    .split_whitespace()
                    .take_while(|word| !matches!(*word, "#" | "|" | "||" | "&&" | ">" | "\\" | "2>&1"))
                    .map(filled)
                    .collect();
                // Not written out.
                let leaves_out = |word: &String| ["...", "<", "$"].iter().any(|sign| word.contains(sign));
                if typed.iter().any(leaves_out) {
                    continue;
                }
                count += 1;
                if let Err(error) = Cli::try_parse_from(&typed)
                    && error.use_stderr()
                {
                    wrong.push(format!("{}: {command}: {error}", path.display()));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(count > 200, "{count}");
    }

    #[test]
    fn the_line_of_global_options_names_each_of_them() {
        let command = Cli::command();
        for argument in command.get_arguments().filter(|argument| argument.is_global_set()) {
            let long = format!("--{}", argument.get_long().unwrap());
            assert!(GLOBAL.contains(&long), "{long}");
        }
    }

    #[test]
    fn help_folds_the_global_options_and_stays_within_a_screen_s_width() {
        let mut command = folded(Cli::command());
        let own = command.render_help().to_string();
        assert_eq!(own.matches("The AWS profile to use").count(), 1, "{own}");
        command.build();
        for sub in command.get_subcommands_mut().filter(|sub| sub.get_name() != "help") {
            let name = sub.get_name().to_owned();
            let help = sub.render_help().to_string();
            assert!(!help.contains("The AWS profile to use"), "{name}: {help}");
            assert!(help.contains("Global options: "), "{name}");
            for line in help.lines() {
                assert!(line.chars().count() <= 100, "{name}: {line}");
            }
        }
    }
}
