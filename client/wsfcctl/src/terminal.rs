//! The streams of the program, and questions to the person behind them.

use std::io::{self, BufRead, BufReader, IsTerminal as _, Write};

use crate::failure::Failure;

/// Where the program reads and writes.
pub struct Terminal {
    /// Data.
    pub out: Box<dyn Write + Send>,
    /// Talk.
    pub err: Box<dyn Write + Send>,
    /// Answers to questions.
    pub input: Box<dyn BufRead + Send>,
    /// True when a person can answer questions: stdin is a terminal.
    pub interactive: bool,
    /// True when progress can be drawn: stdout and stderr are terminals.
    pub live: bool,
}

impl Terminal {
    /// The streams of this process.
    pub fn of_process() -> Self {
        Self {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            input: Box::new(BufReader::new(io::stdin())),
            interactive: io::stdin().is_terminal(),
            live: io::stdout().is_terminal() && io::stderr().is_terminal(),
        }
    }

    /// Goes on only when the person agrees by `y`. `yes` agrees beforehand.
    pub(crate) fn confirm(&mut self, question: &str, yes: bool) -> Result<(), Failure> {
        if yes {
            return Ok(());
        }
        let answer = self.ask(&format!("{question} [y/N] "))?;
        let agreed = answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes");
        if agreed { Ok(()) } else { Err(Failure::NotConfirmed) }
    }

    /// Goes on only when the person types `word`, as one does before what cannot be undone. `yes` agrees beforehand.
    pub(crate) fn confirm_by_typing(&mut self, question: &str, word: &str, yes: bool) -> Result<(), Failure> {
        if yes {
            return Ok(());
        }
        let answer = self.ask(&format!("{question} Type {word} to go on: "))?;
        if answer.eq_ignore_ascii_case(word) {
            Ok(())
        } else {
            Err(Failure::NotConfirmed)
        }
    }

    fn ask(&mut self, question: &str) -> Result<String, Failure> {
        if !self.interactive {
            return Err(Failure::CannotAsk);
        }
        write!(self.err, "{question}")?;
        self.err.flush()?;
        let mut answer = String::new();
        self.input.read_line(&mut answer)?;
        Ok(answer.trim().to_owned())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A writer that can be read.
    #[derive(Clone, Default)]
    pub(crate) struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Paper {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A terminal with its stdout and stderr on paper. Without `typed` nobody is there to ask.
    pub(crate) fn on_paper(typed: Option<&str>) -> (Terminal, Paper, Paper) {
        let (out, err) = (Paper::default(), Paper::default());
        let terminal = Terminal {
            out: Box::new(out.clone()),
            err: Box::new(err.clone()),
            input: Box::new(io::Cursor::new(typed.unwrap_or_default().to_owned())),
            interactive: typed.is_some(),
            live: false,
        };
        (terminal, out, err)
    }

    #[test]
    fn only_the_right_word_goes_on() {
        for (typed, agreed) in [
            ("CL1\n", true),
            ("cl1\r\n", true),
            ("CL2\n", false),
            ("y\n", false),
            ("", false),
        ] {
            let (mut terminal, _, err) = on_paper(Some(typed));
            let answer = terminal.confirm_by_typing("This destroys CL1.", "CL1", false);
            assert_eq!(answer.is_ok(), agreed, "{typed:?}");
            assert_eq!(err.text(), "This destroys CL1. Type CL1 to go on: ");
        }
        for (typed, agreed) in [("y\n", true), ("YES\n", true), ("\n", false), ("no\n", false)] {
            let (mut terminal, _, _) = on_paper(Some(typed));
            assert_eq!(terminal.confirm("Evict n1?", false).is_ok(), agreed, "{typed:?}");
        }
    }

    #[test]
    fn without_a_person_nothing_is_asked_and_nothing_goes_on() {
        let (mut terminal, _, err) = on_paper(None);
        assert!(matches!(terminal.confirm("Evict n1?", false), Err(Failure::CannotAsk)));
        assert!(matches!(
            terminal.confirm_by_typing("Sure?", "CL1", false),
            Err(Failure::CannotAsk)
        ));
        assert!(terminal.confirm("Evict n1?", true).is_ok());
        assert_eq!(err.text(), "");
    }
}
