//! Reads metric math.

use super::{Expr, Function, Operator};
use billctl_core::words::meaning;

/// Reads an expression.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Expr, String> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
        depth: 0,
    };
    let expr = parser.expression(0)?;
    match parser.tokens.get(parser.at) {
        None => Ok(expr),
        Some(token) => Err(format!("unexpected {token:?}")),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Number(f64),
    Name(String),
    Symbol(&'static str),
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    const SYMBOLS: [&str; 19] = [
        "<=", ">=", "==", "!=", "&&", "||", "<", ">", "+", "-", "*", "/", "^", "(", ")", "[", "]", ",", "=",
    ];
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let run = |part: fn(char) -> bool| rest.find(|c| !part(c)).unwrap_or(rest.len());
        let taken = if first.is_ascii_digit() || first == '.' {
            let end = run(|c| c.is_ascii_digit() || c == '.');
            let number = rest[..end]
                .parse()
                .map_err(|_| format!("`{}` is not a number", &rest[..end]))?;
            found.push(Token::Number(number));
            end
        } else if first.is_ascii_alphabetic() {
            let end = run(|c| c.is_ascii_alphanumeric() || c == '_');
            found.push(Token::Name(rest[..end].to_owned()));
            end
        } else if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            found.push(Token::Symbol(symbol));
            symbol.len()
        } else {
            return Err(format!("unexpected `{first}`"));
        };
        rest = rest[taken..].trim_start();
    }
    Ok(found)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

/// Deeper nesting than any alarm needs is refused, so that no expression can exhaust the stack.
const DEEPEST: usize = 50;

impl Parser {
    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn expect(&mut self, symbol: &str) -> Result<(), String> {
        match self.next() {
            Some(Token::Symbol(found)) if found == symbol => Ok(()),
            Some(other) => Err(format!("expected `{symbol}`, found {other:?}")),
            None => Err(format!("expected `{symbol}` at the end")),
        }
    }

    /// The operator at the present place with how strongly it binds.
    fn operator(&self) -> Option<(Operator, u8)> {
        Some(match self.tokens.get(self.at)? {
            Token::Symbol("||") => (Operator::Or, 1),
            Token::Name(name) if name == "OR" => (Operator::Or, 1),
            Token::Symbol("&&") => (Operator::And, 2),
            Token::Name(name) if name == "AND" => (Operator::And, 2),
            Token::Symbol("==" | "=") => (Operator::Equal, 3),
            Token::Symbol("!=") => (Operator::NotEqual, 3),
            Token::Symbol("<") => (Operator::Less, 4),
            Token::Symbol("<=") => (Operator::LessOrEqual, 4),
            Token::Symbol(">") => (Operator::Greater, 4),
            Token::Symbol(">=") => (Operator::GreaterOrEqual, 4),
            Token::Symbol("+") => (Operator::Add, 5),
            Token::Symbol("-") => (Operator::Subtract, 5),
            Token::Symbol("*") => (Operator::Multiply, 6),
            Token::Symbol("/") => (Operator::Divide, 6),
            Token::Symbol("^") => (Operator::Power, 7),
            _ => return None,
        })
    }

    fn expression(&mut self, loosest: u8) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("the expression is nested too deeply".to_owned());
        }
        let mut left = self.operand()?;
        while let Some((operator, strength)) = self.operator() {
            if strength <= loosest {
                break;
            }
            self.at += 1;
            let right = self.expression(strength)?;
            left = Expr::Binary(operator, Box::new(left), Box::new(right));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operand(&mut self) -> Result<Expr, String> {
        match self.next() {
            Some(Token::Number(number)) => Ok(Expr::Number(number)),
            Some(Token::Symbol("-")) => Ok(Expr::Negate(Box::new(self.expression(6)?))),
            Some(Token::Symbol("(")) => {
                let inner = self.expression(0)?;
                self.expect(")")?;
                Ok(inner)
            }
            Some(Token::Symbol("[")) => Ok(Expr::Array(self.list("]")?)),
            Some(Token::Name(name)) => {
                if self.tokens.get(self.at) == Some(&Token::Symbol("(")) {
                    self.at += 1;
                    self.function(&name)
                } else if name.starts_with(|c: char| c.is_ascii_lowercase()) {
                    Ok(Expr::Id(name))
                } else {
                    Err(format!("`{name}` is not an id"))
                }
            }
            Some(other) => Err(format!("unexpected {other:?}")),
            None => Err("the expression ends too early".to_owned()),
        }
    }

    fn list(&mut self, end: &'static str) -> Result<Vec<Expr>, String> {
        let mut items = vec![self.expression(0)?];
        while self.tokens.get(self.at) == Some(&Token::Symbol(",")) {
            self.at += 1;
            items.push(self.expression(0)?);
        }
        self.expect(end)?;
        Ok(items)
    }

    fn function(&mut self, name: &str) -> Result<Expr, String> {
        let function: Option<Function> = meaning(name);
        let function = function.ok_or_else(|| format!("`{name}` is not a supported function"))?;
        let arguments = self.list(")")?;
        if !function.arguments().contains(&arguments.len()) {
            return Err(format!("{name} doesn't take {} arguments", arguments.len()));
        }
        if function == Function::Period && !matches!(arguments.first(), Some(Expr::Id(_))) {
            return Err("PERIOD takes a metric, not an expression".to_owned());
        }
        Ok(Expr::Call(function, arguments))
    }
}
