//! What a resource depends on, as an expression over its providers (facts 2.5).

use serde::{Deserialize, Serialize};

use crate::win32::{ERROR_DEPENDENCY_TREE_TOO_COMPLEX, ERROR_INVALID_PARAMETER, ERROR_RESOURCE_NOT_FOUND};

/// The deepest nesting, of an expression and of a chain of dependencies (facts 7).
pub(crate) const DEEPEST: usize = 100;

/// A condition over resources that are named by their ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Expression {
    Resource(String),
    All(Vec<Expression>),
    Any(Vec<Expression>),
}

impl Expression {
    /// Reads an expression such as `([IP 1] or [IP 2]) and [Disk]`; `id_of` finds a resource by what stands in the
    /// brackets. An empty text is no dependency. Guess: `and` binds tighter than `or`, 87 for what is malformed, 5007
    /// for a resource that is not there.
    pub(crate) fn parse(text: &str, id_of: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, u32> {
        let mut reader = Reader { rest: text, id_of };
        if reader.peek().is_none() {
            return Ok(None);
        }
        let expression = reader.any(0)?;
        if reader.peek().is_some() {
            return Err(ERROR_INVALID_PARAMETER);
        }
        Ok(Some(expression))
    }

    /// The expression with ids in brackets, as it is read back.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Resource(id) => format!("[{id}]"),
            Self::All(parts) => Self::joined(parts, " and "),
            Self::Any(parts) => Self::joined(parts, " or "),
        }
    }

    fn joined(parts: &[Self], word: &str) -> String {
        let texts = parts.iter().map(|part| match part {
            Self::Resource(_) => part.text(),
            _ => format!("({})", part.text()),
        });
        texts.collect::<Vec<_>>().join(word)
    }

    /// The ids of all resources in it, each once.
    pub(crate) fn providers(&self) -> Vec<&str> {
        let mut found = Vec::new();
        self.collect(&mut found);
        found
    }

    fn collect<'own>(&'own self, found: &mut Vec<&'own str>) {
        match self {
            Self::Resource(id) => {
                if !found.contains(&id.as_str()) {
                    found.push(id);
                }
            }
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.collect(found)),
        }
    }

    /// True when it holds, given which resources can be relied on.
    pub(crate) fn holds(&self, is_there: &impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Resource(id) => is_there(id),
            Self::All(parts) => parts.iter().all(|part| part.holds(is_there)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(is_there)),
        }
    }

    /// The expression with one more provider that must be there.
    pub(crate) fn and(expression: Option<Self>, id: &str) -> Self {
        let provider = Self::Resource(id.into());
        match expression {
            None => provider,
            Some(Self::All(mut parts)) => {
                parts.push(provider);
                Self::All(parts)
            }
            Some(other) => Self::All(vec![other, provider]),
        }
    }

    /// The expression without a provider; `None` when nothing is left.
    pub(crate) fn without(self, id: &str) -> Option<Self> {
        let remaining =
            |parts: Vec<Self>| -> Vec<Self> { parts.into_iter().filter_map(|part| part.without(id)).collect() };
        let (parts, all) = match self {
            Self::Resource(own) if own == id => return None,
            Self::Resource(_) => return Some(self),
            Self::All(parts) => (remaining(parts), true),
            Self::Any(parts) => (remaining(parts), false),
        };
        match parts.len() {
            0 => None,
            1 => parts.into_iter().next(),
            _ if all => Some(Self::All(parts)),
            _ => Some(Self::Any(parts)),
        }
    }
}

struct Reader<'text, F> {
    rest: &'text str,
    id_of: F,
}

impl<F: Fn(&str) -> Option<String>> Reader<'_, F> {
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    /// Takes a word if it comes next, case not regarded.
    fn word(&mut self, word: &str) -> bool {
        self.peek();
        let found = self
            .rest
            .get(..word.len())
            .is_some_and(|next| next.eq_ignore_ascii_case(word))
            && !self.rest[word.len()..].starts_with(|next: char| next.is_alphanumeric());
        if found {
            self.rest = &self.rest[word.len()..];
        }
        found
    }

    fn any(&mut self, depth: usize) -> Result<Expression, u32> {
        let mut parts = vec![self.all(depth)?];
        while self.word("or") {
            parts.push(self.all(depth)?);
        }
        Ok(one_or(parts, Expression::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Expression, u32> {
        let mut parts = vec![self.one(depth)?];
        while self.word("and") {
            parts.push(self.one(depth)?);
        }
        Ok(one_or(parts, Expression::All))
    }

    fn one(&mut self, depth: usize) -> Result<Expression, u32> {
        if depth > DEEPEST {
            return Err(ERROR_DEPENDENCY_TREE_TOO_COMPLEX);
        }
        match self.peek() {
            Some('(') => {
                self.rest = &self.rest[1..];
                let inner = self.any(depth + 1)?;
                if self.peek() != Some(')') {
                    return Err(ERROR_INVALID_PARAMETER);
                }
                self.rest = &self.rest[1..];
                Ok(inner)
            }
            Some('[') => {
                let (name, rest) = self.rest[1..].split_once(']').ok_or(ERROR_INVALID_PARAMETER)?;
                self.rest = rest;
                let id = (self.id_of)(name.trim()).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
                Ok(Expression::Resource(id))
            }
            _ => Err(ERROR_INVALID_PARAMETER),
        }
    }
}

fn one_or(mut parts: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            many(parts)
        }
        None => many(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<Expression>, u32> {
        Expression::parse(text, |name| (name != "gone").then(|| name.to_lowercase()))
    }

    #[test]
    fn names_go_in_and_ids_come_out() {
        let read = parse("([IP 1] OR [IP 2]) and [Disk]").unwrap().unwrap();
        assert_eq!(read.text(), "([ip 1] or [ip 2]) and [disk]");
        assert_eq!(read.providers(), ["ip 1", "ip 2", "disk"]);
        assert!(read.holds(&|id| id != "ip 1"));
        assert!(!read.holds(&|id| id != "disk"));
        assert_eq!(read.without("ip 2").unwrap().text(), "[ip 1] and [disk]");
        assert_eq!(
            parse("[a] or [b] and [c]").unwrap().unwrap().text(),
            "[a] or ([b] and [c])"
        );
    }

    #[test]
    fn what_is_malformed_is_refused() {
        assert_eq!(parse("  "), Ok(None));
        for text in [
            "[a",
            "a",
            "[a] [b]",
            "([a]",
            "[a] and",
            "or [a]",
            "[a]andx[b]",
            "[a] öö",
        ] {
            assert_eq!(parse(text), Err(87), "{text}");
        }
        assert_eq!(parse("[gone]"), Err(5007));
        assert_eq!(parse(&"(".repeat(10_000)), Err(5929));
    }

    #[test]
    fn the_last_provider_leaves_nothing() {
        let both = Expression::and(parse("[a]").unwrap(), "b");
        assert_eq!(both.clone().without("a").unwrap().without("b"), None);
        assert_eq!(Expression::and(Some(both), "c").text(), "[a] and [b] and [c]");
    }
}
