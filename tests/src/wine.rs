//! Windows programs on this machine, under Wine.
//!
//! `tests/windows/run` makes the prefix and starts it, and says by environment variables where things are:
//!
//! | variable | is |
//! | --- | --- |
//! | `WSFCD_WINDOWS_DIR` | the folder with `wsfcd.exe`, `wsfcctl.exe` and the simulator as `clusapi.dll` |
//! | `WSFCD_WINE` | Wine's loader |
//! | `WINEPREFIX` | the running prefix, whose system folder holds that `clusapi.dll` |
//!
//! What Wine cannot do is listed in WINDOWS.md. Two things matter to every test: an exit code is cut to its lowest eight
//! bits, and a program costs about 0.1 s.

use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// The longest that a program may be silent or take to end. A fault would hang a test for ever otherwise; it is far
/// above what anything takes on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A file of the Windows build, for example `wsfcd.exe`.
///
/// # Panics
///
/// It is not there: the tests run outside of `tests/windows/run`.
pub fn program(name: &str) -> PathBuf {
    let path = PathBuf::from(variable("WSFCD_WINDOWS_DIR")).join(name);
    assert!(
        path.is_file(),
        "{} is not built: see tests/windows/build",
        path.display()
    );
    path
}

/// The prefix: the folder of the Windows machine that Wine plays.
///
/// # Panics
///
/// There is none: the tests run outside of `tests/windows/run`.
pub fn prefix() -> PathBuf {
    PathBuf::from(variable("WINEPREFIX"))
}

/// The system folder of the Windows machine.
///
/// # Panics
///
/// As [`prefix`].
pub fn system32() -> PathBuf {
    prefix().join("drive_c/windows/system32")
}

/// The name by which Windows programs know a file or folder of this machine.
///
/// # Panics
///
/// The path is not absolute, or not Unicode.
#[expect(clippy::expect_used, reason = "a mistake of the test")]
pub fn windows_path(path: &Path) -> String {
    assert!(path.is_absolute(), "{} is not absolute", path.display());
    let (drive, rest) = match path.strip_prefix(prefix().join("drive_c")) {
        Ok(rest) => ("C:\\", rest),
        Err(_) => (
            "Z:\\",
            path.strip_prefix("/").expect("an absolute path begins at the root"),
        ),
    };
    let rest = rest.to_str().expect("paths of tests are Unicode");
    format!("{drive}{}", rest.replace('/', "\\"))
}

/// The name on this machine of a file or folder that a Windows program names.
///
/// # Panics
///
/// The path is not on drive C or Z.
#[expect(clippy::panic, reason = "a mistake of the test")]
pub fn unix_path(path: &str) -> PathBuf {
    let root = match path.get(..3) {
        Some("C:\\" | "c:\\") => prefix().join("drive_c"),
        Some("Z:\\" | "z:\\") => PathBuf::from("/"),
        _ => panic!("{path} is neither on drive C nor on drive Z"),
    };
    root.join(path[3..].replace('\\', "/"))
}

/// A command that runs a Windows program, by its path on this machine or by a name that Wine knows, such as `sc`.
///
/// The process is the program: its id is the one to signal, SIGINT is Ctrl-C to it, and SIGKILL is a termination.
///
/// # Panics
///
/// There is no Wine: the tests run outside of `tests/windows/run`.
pub fn command(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(variable("WSFCD_WINE"));
    command.arg(program.as_ref()).stdin(Stdio::null());
    // What the tests are told by is no setting of the daemon.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("WSFCD_") {
            command.env_remove(name);
        }
    }
    command
}

/// How a program ended, and what it printed.
#[derive(Debug)]
pub struct Ended {
    /// The exit status; the code is cut to its lowest eight bits.
    pub status: ExitStatus,
    /// Standard output, with the line ends of this machine.
    pub stdout: String,
    /// Standard error, with the line ends of this machine.
    pub stderr: String,
}

impl Ended {
    /// Itself, of a program that ended well.
    ///
    /// # Panics
    ///
    /// The program failed; its output is in the text.
    #[track_caller]
    pub fn well(self) -> Self {
        assert!(self.status.success(), "{self:#?}");
        self
    }
}

/// Runs a command to its end.
///
/// # Panics
///
/// It cannot be started, or does not end within [`PATIENCE`].
pub fn run(command: &mut Command) -> Ended {
    Running::start(command).ended()
}

/// A program that runs. It is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: Receiver<(Stream, String)>,
    stdout: String,
    stderr: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Output,
    Error,
}

impl Running {
    /// Starts a program, whose output is collected from now on.
    ///
    /// # Panics
    ///
    /// It cannot be started.
    #[expect(clippy::expect_used, reason = "how a test fails")]
    pub fn start(command: &mut Command) -> Self {
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("the program starts");
        let (sender, lines) = channel();
        let output = child.stdout.take().expect("a pipe");
        let error = child.stderr.take().expect("a pipe");
        read_lines(output, Stream::Output, sender.clone()).expect("a thread");
        read_lines(error, Stream::Error, sender).expect("a thread");
        Self {
            child,
            lines,
            stdout: String::new(),
            stderr: String::new(),
        }
    }

    /// The id of the process on this machine, which is another than Windows gives it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the next line of either stream that contains a text, and gives that line.
    ///
    /// # Panics
    ///
    /// The program ends before, or is silent for [`PATIENCE`].
    #[track_caller]
    pub fn line_with(&mut self, text: &str) -> String {
        loop {
            match self.next_line() {
                Some(line) if line.contains(text) => return line,
                Some(_) => {}
                None => self.fail(&format!("ended without \"{text}\"")),
            }
        }
    }

    /// Sends Ctrl-C.
    ///
    /// # Panics
    ///
    /// The program has ended.
    pub fn interrupt(&self) {
        self.signal("-INT");
    }

    /// Terminates the program as `TerminateProcess` does: nothing of its code runs any more.
    ///
    /// # Panics
    ///
    /// The program has ended.
    pub fn terminate(&self) {
        self.signal("-KILL");
    }

    /// Waits for the end.
    ///
    /// # Panics
    ///
    /// The program is silent for [`PATIENCE`].
    #[expect(clippy::expect_used, reason = "how a test fails")]
    pub fn ended(mut self) -> Ended {
        while self.next_line().is_some() {}
        let status = self.child.wait().expect("a child can be waited for");
        Ended {
            status,
            stdout: std::mem::take(&mut self.stdout),
            stderr: std::mem::take(&mut self.stderr),
        }
    }

    /// The next line, or nothing when both streams are closed, which is when the program has ended.
    fn next_line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok((stream, line)) => {
                let text = match stream {
                    Stream::Output => &mut self.stdout,
                    Stream::Error => &mut self.stderr,
                };
                text.push_str(&line);
                text.push('\n');
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => self.fail("is silent for too long"),
        }
    }

    #[expect(clippy::expect_used, reason = "how a test fails")]
    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args([signal, &id]).status();
        assert!(status.expect("kill is everywhere").success(), "the program has ended");
    }

    #[expect(clippy::panic, reason = "how a test fails")]
    #[track_caller]
    fn fail(&self, what: &str) -> ! {
        panic!(
            "the program {what}\n--- stdout ---\n{}--- stderr ---\n{}",
            self.stdout, self.stderr
        );
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends each line of a stream. Bytes that are no Unicode are replaced: what a program prints may be in a code page.
fn read_lines(stream: impl Read + Send + 'static, name: Stream, lines: Sender<(Stream, String)>) -> io::Result<()> {
    let thread = std::thread::Builder::new().name("lines".into());
    thread.spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
            if lines.send((name, text)).is_err() {
                return;
            }
            line.clear();
        }
    })?;
    Ok(())
}

#[expect(clippy::panic, reason = "a mistake of whoever runs the test")]
fn variable(name: &str) -> OsString {
    match std::env::var_os(name) {
        Some(value) => value,
        None => panic!("{name} is not set: run this by `tests/windows/run cargo test ...`"),
    }
}
