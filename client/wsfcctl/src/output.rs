//! Answers in the chosen format.

use std::io::Write;

use prost::{Message, Name};
use wsfc_client::json;
use wsfc_client::v1::InventoryObject;

use crate::cli::Format;
use crate::failure::Failure;

/// Writes an answer: as JSON or YAML from the message, else by `table`, which is told whether to be wide.
pub(crate) fn answer<M: Message + Name>(
    out: &mut dyn Write,
    format: Format,
    message: &M,
    table: impl FnOnce(&mut dyn Write, bool) -> std::io::Result<()>,
) -> Result<(), Failure> {
    let value = if format.is_machine() {
        value(message)?
    } else {
        serde_json::Value::Null
    };
    value_answer(out, format, &value, table)
}

/// Writes an answer that is put together from several messages, as [`answer`] does one message.
pub(crate) fn value_answer(
    out: &mut dyn Write,
    format: Format,
    value: &serde_json::Value,
    table: impl FnOnce(&mut dyn Write, bool) -> std::io::Result<()>,
) -> Result<(), Failure> {
    match format {
        Format::Table => table(out, false)?,
        Format::Wide => table(out, true)?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, value).map_err(stream)?;
            writeln!(out)?;
        }
        Format::Yaml => {
            let text = serde_norway::to_string(value).map_err(|error| Failure::Format(error.into()))?;
            out.write_all(text.as_bytes())?;
        }
    }
    Ok(out.flush()?)
}

/// An object of the inventory without the message around it.
pub(crate) fn alone(object: &InventoryObject) -> Result<serde_json::Value, Failure> {
    let whole = value(object)?;
    let kinds = whole.as_object().into_iter().flatten();
    let inner = kinds
        .filter(|(key, _)| *key != "clusterId")
        .map(|(_, inner)| inner.clone());
    Ok(inner.into_iter().next().unwrap_or_default())
}

/// Writes one message of a stream, and lets it be seen at once: one line of JSON, or a YAML document.
pub(crate) fn item<M: Message + Name>(out: &mut dyn Write, format: Format, message: &M) -> Result<(), Failure> {
    value_item(out, format, &value(message)?)
}

/// Writes one of several values, as [`item`] does one message.
pub(crate) fn value_item(out: &mut dyn Write, format: Format, value: &serde_json::Value) -> Result<(), Failure> {
    if format == Format::Yaml {
        let text = serde_norway::to_string(value).map_err(|error| Failure::Format(error.into()))?;
        write!(out, "---\n{text}")?;
    } else {
        serde_json::to_writer(&mut *out, value).map_err(stream)?;
        writeln!(out)?;
    }
    Ok(out.flush()?)
}

/// A message in its JSON form.
pub(crate) fn value<M: Message + Name>(message: &M) -> Result<serde_json::Value, Failure> {
    json::to_value(message).map_err(|error| Failure::Format(error.into()))
}

/// Keeps a closed output recognisable as such.
fn stream(error: serde_json::Error) -> Failure {
    if error.is_io() {
        Failure::Stream(error.into())
    } else {
        Failure::Format(error.into())
    }
}

#[cfg(test)]
mod tests {
    use wsfc_client::v1::{Node, NodeState};

    use super::*;

    fn node() -> Node {
        Node {
            name: "n1".to_owned(),
            state: NodeState::Up.into(),
            highest_version: 720_896,
            ..Default::default()
        }
    }

    fn shown(format: Format) -> String {
        let mut text = Vec::new();
        answer(&mut text, format, &node(), |out, wide| writeln!(out, "wide: {wide}")).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn each_format_shows_the_same_message() {
        assert_eq!(shown(Format::Table), "wide: false\n");
        assert_eq!(shown(Format::Wide), "wide: true\n");
        let json = "{\n  \"name\": \"n1\",\n  \"state\": \"NODE_STATE_UP\",\n  \"highestVersion\": 720896\n}\n";
        assert_eq!(shown(Format::Json), json);
        assert_eq!(
            shown(Format::Yaml),
            "name: n1\nstate: NODE_STATE_UP\nhighestVersion: 720896\n"
        );
    }

    #[test]
    fn a_stream_has_a_line_or_a_document_for_each() {
        let mut text = Vec::new();
        item(&mut text, Format::Json, &node()).unwrap();
        item(
            &mut text,
            Format::Yaml,
            &Node {
                name: "n2".to_owned(),
                ..Default::default()
            },
        )
        .unwrap();
        let expected = "{\"name\":\"n1\",\"state\":\"NODE_STATE_UP\",\"highestVersion\":720896}\n---\nname: n2\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn a_closed_output_is_told_apart() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        for format in [Format::Json, Format::Yaml] {
            let failure = item(&mut Closed, format, &node()).unwrap_err();
            assert_eq!(failure.exit(), crate::Exit::OutputClosed);
        }
    }
}
