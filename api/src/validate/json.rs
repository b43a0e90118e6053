//! Reads hostile JSON: duplicate keys are reported instead of swallowed, depth and the number of values are bounded.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Deepest nesting of arrays and objects.
pub(crate) const MAX_DEPTH: usize = 32;

/// Most values in one body. A job of 1,000 tasks has some tens of thousands; without a bound a body of `[0,0,0,…` would
/// take twenty times its size in memory.
pub(super) const MAX_VALUES: usize = 200_000;

/// Up to here, 2 to the 53rd, every whole number is a double of its own.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A key that an object gives twice.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Duplicate {
    /// Keys from the root to the object, and the repeated key itself.
    pub(super) path: Vec<String>,
}

/// Reads one JSON text.
///
/// # Errors
/// What is wrong and where (line and column), when the text is not JSON, or too deep, or has too many values.
pub(super) fn read(text: &[u8]) -> Result<(Value, Vec<Duplicate>), String> {
    let reader = Reader::default();
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Seed { reader: &reader, depth: 0 }.deserialize(&mut deserializer).map_err(|e| e.to_string())?;
    deserializer.end().map_err(|e| e.to_string())?;
    Ok((value, reader.duplicates.into_inner()))
}

/// A JSON pointer (RFC 6901) made of `steps`.
pub(super) fn pointer<S: AsRef<str>>(steps: impl IntoIterator<Item = S>) -> String {
    steps.into_iter().fold(String::new(), |path, step| format!("{path}/{}", step.as_ref().replace('~', "~0").replace('/', "~1")))
}

#[derive(Default)]
struct Reader {
    path: RefCell<Vec<String>>,
    duplicates: RefCell<Vec<Duplicate>>,
    values: Cell<usize>,
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    reader: &'a Reader,
    depth: usize,
}

impl Seed<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format_args!("arrays and objects are nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let values = self.reader.values.get() + 1;
        self.reader.values.set(values);
        if values > MAX_VALUES {
            return Err(D::Error::custom(format_args!("there are more than {MAX_VALUES} values")));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    /// A whole number is an integer however it is written, as JSON Schema says: clients in languages with one kind of number send 85.0.
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        let whole = value.fract() == 0.0 && value.abs() <= EXACT;
        Ok(if whole { Value::from(value as i64) } else { Value::from(value) })
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        self.reader.path.borrow_mut().push("0".to_owned());
        while let Some(item) = access.next_element_seed(inner)? {
            items.push(item);
            if let Some(step) = self.reader.path.borrow_mut().last_mut() {
                *step = items.len().to_string();
            }
        }
        self.reader.path.borrow_mut().pop();
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            self.reader.path.borrow_mut().push(key.clone());
            let value = access.next_value_seed(inner)?;
            // The first one is kept; which one does not matter, since the request is refused.
            if map.contains_key(&key) {
                let path = self.reader.path.borrow().clone();
                self.reader.duplicates.borrow_mut().push(Duplicate { path });
            } else {
                map.insert(key, value);
            }
            self.reader.path.borrow_mut().pop();
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ordinary_json_reads_as_it_is_and_in_order() {
        let (value, duplicates) = read(br#" {"b":[1,-2,3.5,null,true,"x\u0041"],"a":{"__proto__":{}}} "#).expect("valid");
        assert_eq!(value, json!({"b": [1, -2, 3.5, null, true, "xA"], "a": {"__proto__": {}}}), "same values");
        assert_eq!(value.as_object().expect("object").keys().collect::<Vec<_>>(), ["b", "a"], "the customer's order");
        assert!(duplicates.is_empty(), "{duplicates:?}");
    }

    #[test]
    fn a_whole_number_is_an_integer_however_it_is_written() {
        let (value, _) = read(b"[85.0, 1e3, -2.0, 3.5, 1e300, -0.0]").expect("valid");
        assert_eq!(value, json!([85, 1000, -2, 3.5, 1e300, 0]), "as JSON Schema has it");
    }

    #[test]
    fn each_duplicate_key_is_reported_with_its_place() {
        let (_, duplicates) = read(br#"{"tasks":{"a":{},"a":{"x":1,"x":2}},"l":[0,{"k":1,"k":1}]}"#).expect("readable");
        let paths: Vec<String> = duplicates.iter().map(|d| pointer(&d.path)).collect();
        assert_eq!(paths, ["/tasks/a/x", "/tasks/a", "/l/1/k"], "all three");
    }

    #[test]
    fn depth_and_number_of_values_are_bounded() {
        let nested = |n: usize| [b"[".repeat(n), b"]".repeat(n)].concat();
        assert!(read(&nested(MAX_DEPTH)).is_ok(), "32 levels are allowed");
        let error = read(&nested(MAX_DEPTH + 1)).expect_err("33 levels");
        assert!(error.contains("deeper than 32"), "{error}");
        assert!(read(&nested(1_000_000)).is_err(), "no stack overflow");
        let error = read(format!("[{}0]", "0,".repeat(MAX_VALUES)).as_bytes()).expect_err("too many");
        assert!(error.contains("more than 200000 values"), "{error}");
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        let cases: [&[u8]; 9] = [b"", b"{", b"{\"a\":1,}", b"{} x", b"\xff", b"{\"a\":1e999}", b"NaN", b"'a'", b"\"\\ud800\""];
        for bad in cases {
            let error = read(bad).expect_err("not JSON");
            assert!(error.contains("line 1 column"), "{error}");
        }
    }

    #[test]
    fn pointers_escape_what_rfc_6901_escapes() {
        assert_eq!(pointer(["tasks", "a/b", "c~d"]), "/tasks/a~1b/c~0d", "~ and / are escaped");
    }
}
