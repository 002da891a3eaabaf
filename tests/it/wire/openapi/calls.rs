//! The part about the calls, by their descriptors.

use std::collections::BTreeMap;

use prost_reflect::{
    Cardinality, DescriptorPool, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    MethodDescriptor,
};
use prost_types::FileDescriptorProto;
use serde_json::{Map, Value, json};
use tokenward::grpc::pb::FILE_DESCRIPTOR_SET;

const SERVICE: &str = "tokenward.auth.v1.AuthService";
/// Calls that need an access token, and one that may.
const AUTHENTICATED: [&str; 2] = ["ListSessions", "ChangePassword"];
const SOMETIMES_AUTHENTICATED: [&str; 3] = ["Revoke", "Verify", "BatchVerify"];

/// `paths` and `components`.
pub(super) fn part() -> Value {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("descriptors");
    let service = pool.get_service_by_name(SERVICE).expect("the service");
    let mut paths = Map::new();
    let mut schemas = BTreeMap::new();
    for method in service.methods().filter(|method| !method.is_server_streaming()) {
        paths
            .insert(format!("/{SERVICE}/{}", method.name()), json!({ "post": operation(&method) }));
        add(&mut schemas, &method.input(), Side::Request);
        add(&mut schemas, &method.output(), Side::Response);
    }
    json!({ "paths": paths, "components": { "schemas": schemas } })
}

/// What is understood is more than what is said.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Request,
    Response,
}

fn operation(method: &MethodDescriptor) -> Value {
    let text = comment(method.parent_file().file_descriptor_proto(), method.path());
    let summary = text.split_inclusive(". ").next().unwrap_or_default().trim();
    let body = |message: &MessageDescriptor| json!({ "application/json": { "schema": reference(message.name()) } });
    let mut operation = json!({
        "operationId": method.name(),
        "tags": ["calls"],
        "summary": summary,
        "description": text,
        "parameters": [
            { "$ref": "#/components/parameters/ConnectProtocolVersion" },
            { "$ref": "#/components/parameters/ConnectTimeoutMs" },
        ],
        "requestBody": { "required": true, "content": body(&method.input()) },
        "responses": {
            "200": {
                "description": comment_of(&method.output()),
                "headers": { "X-Request-Id": { "$ref": "#/components/headers/RequestId" } },
                "content": body(&method.output()),
            },
            "415": { "$ref": "#/components/responses/UnsupportedMediaType" },
            "default": { "$ref": "#/components/responses/Failed" },
        },
    });
    if AUTHENTICATED.contains(&method.name()) {
        operation["security"] = json!([{ "accessToken": [] }]);
    } else if SOMETIMES_AUTHENTICATED.contains(&method.name()) {
        operation["security"] = json!([{}, { "accessToken": [] }]);
    }
    operation
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// Adds a message and those in it.
fn add(schemas: &mut BTreeMap<String, Value>, message: &MessageDescriptor, side: Side) {
    if schemas.contains_key(message.name()) || message.package_name() == "google.protobuf" {
        return;
    }
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in message.fields() {
        properties.insert(field.json_name().to_owned(), property(&field, side));
        if !field.supports_presence() {
            required.push(field.json_name().to_owned());
        }
    }
    let mut schema = json!({
        "type": "object",
        "description": comment_of(message),
        "properties": properties,
    });
    match side {
        // Either spelling is understood, but one shall be used.
        Side::Request => schema["additionalProperties"] = false.into(),
        Side::Response => schema["required"] = required.into(),
    }
    schemas.insert(message.name().to_owned(), schema);
    for field in message.fields() {
        match field.kind() {
            Kind::Message(inner) => add(schemas, &inner, side),
            Kind::Enum(inner) => {
                schemas.insert(inner.name().to_owned(), enumeration(&inner));
            }
            _ => {}
        }
    }
}

fn property(field: &FieldDescriptor, side: Side) -> Value {
    let text = comment(field.parent_file().file_descriptor_proto(), field.path());
    let item = value(&field.kind(), side);
    let mut schema = match field.cardinality() {
        Cardinality::Repeated => json!({ "type": "array", "items": item }),
        _ => item,
    };
    if side == Side::Request {
        // Null stands for a field that is not there.
        schema["type"] = match schema["type"].take() {
            Value::Array(types) => types.into_iter().chain(["null".into()]).collect(),
            single => json!([single, "null"]),
        };
    }
    if schema.get("$ref").is_some() {
        schema = json!({ "$ref": schema["$ref"] });
    }
    schema["description"] = text.into();
    schema
}

fn value(kind: &Kind, side: Side) -> Value {
    let number = |format: &str| match side {
        Side::Request => json!({
            "type": ["integer", "string"], "format": format, "pattern": "^-?[0-9]+$",
        }),
        Side::Response if format == "int64" => {
            json!({ "type": "string", "format": format, "pattern": "^-?[0-9]+$" })
        }
        Side::Response => json!({ "type": "integer", "format": format }),
    };
    match kind {
        Kind::String => json!({ "type": "string" }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Int32 => number("int32"),
        Kind::Int64 => number("int64"),
        Kind::Enum(of) => reference(of.name()),
        Kind::Message(of) => match of.full_name() {
            "google.protobuf.Timestamp" => json!({ "type": "string", "format": "date-time" }),
            "google.protobuf.Duration" => json!({
                "type": "string", "pattern": "^-?[0-9]{1,12}([.][0-9]{1,9})?s$",
            }),
            _ => reference(of.name()),
        },
        other => panic!("{other:?} was not thought of"),
    }
}

fn enumeration(of: &EnumDescriptor) -> Value {
    let proto = of.parent_file();
    let proto = proto.file_descriptor_proto();
    let lines = of.values().map(|v| format!("- `{}`: {}", v.name(), comment(proto, v.path())));
    let lines: Vec<_> = [comment(proto, of.path())].into_iter().chain(lines).collect();
    let names: Vec<_> = of.values().map(|value| value.name().to_owned()).collect();
    json!({ "type": "string", "description": lines.join("\n"), "enum": names })
}

fn comment_of(message: &MessageDescriptor) -> String {
    comment(message.parent_file().file_descriptor_proto(), message.path())
}

/// What stands before it in the `.proto` file, as one paragraph.
fn comment(file: &FileDescriptorProto, path: &[i32]) -> String {
    let info = file.source_code_info.as_ref().expect("comments are kept");
    let location = info.location.iter().find(|location| location.path == path);
    let text = location.map(|l| l.leading_comments().to_owned()).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
