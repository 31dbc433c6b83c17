"""ODCS 3.0 to 3.2: what a data contract may hold (Bitol Open Data Contract Standard, schemas 3.0.2, 3.1.0, 3.2.0)."""

from __future__ import annotations

from typing import Final

from hansa.contracts.custom import SHAPES
from hansa.contracts.standards.grammar import Grammar

_TRIMMINGS: Final = "tags:[text] customProperties:[custom] authoritativeDefinitions:[link]"
_ELEMENT: Final = (
    "id^3.1 physicalType physicalName description businessName deprecated:flag^3.2 synonyms:[synonym]^3.2 "
    f"quality:[quality] {_TRIMMINGS}"
)
_PROPERTY: Final = (
    f"{_ELEMENT} primaryKey:flag primaryKeyPosition:integer required:flag unique:flag partitioned:flag "
    "logicalType:=string,date,timestamp@3.1,time@3.1,number,integer,object,array,boolean,map@3.2,vector@3.2 "
    "partitionKeyPosition:integer semanticType:=column,measure,dimension^3.2 classification encryptedName "
    "transformSourceObjects:[text] transformLogic transformDescription examples:[any] enum:[value]^3.2 "
    "criticalDataElement:flag relationships:[propertyRelationship]^3.1"
)
_RANGE: Final = "multipleOf:number maximum:number exclusiveMaximum:number minimum:number exclusiveMinimum:number"
_TIMES: Final = "format maximum exclusiveMaximum minimum exclusiveMinimum"
_DATABASE: Final = "host! port!:integer|text database!"
_LOOSE: Final = "host! port:integer|text database!"
_EMBEDDED: Final = "database! host port:integer|text"
_FILES: Final = "format encoding^3.2 delimiter"

SERVERS: Final = {
    "api": "location!",
    "athena": "stagingDir schema! catalog regionName workgroup^3.2",
    "azure": f"location! {_FILES.replace('format', 'format!')}",
    "bigquery": "project! dataset!",
    "btrieve": _LOOSE,
    "clickhouse": _DATABASE,
    "cloudsql": f"{_DATABASE} schema!",
    "custom": (
        "account catalog database dataset delimiter endpointUrl format encoding^3.2 host location path "
        "port:integer|text project region regionName schema serviceName stagingDir warehouse stream^3.1"
    ),
    "databricks": "host catalog! schema!",
    "db2": f"{_DATABASE} schema",
    "denodo": "host! port!:integer|text database",
    "dremio": "host! port!:integer|text schema",
    "duckdb": "database! schema",
    "exasol": "host! port:integer|text schema",
    "fastobjects": _EMBEDDED,
    "glue": "account! database! location format encoding^3.2",
    "hana": "host! port:integer|text database schema",
    "hive": _LOOSE,
    "iceberg": "catalog! catalogUrl! namespace warehouse",
    "impala": _LOOSE,
    "informix": _LOOSE,
    "ingres": _LOOSE,
    "kafka": "host! format encoding^3.2",
    "kinesis": "region format encoding^3.2",
    "local": "path! format! encoding^3.2",
    "mysql": _DATABASE,
    "oracle": "host! port!:integer|text serviceName!",
    "poet": _EMBEDDED,
    "postgres": f"{_DATABASE} schema!",
    "postgresql": f"{_DATABASE} schema!",
    "presto": "host! catalog schema",
    "pubsub": "project!",
    "redshift": "host database! schema! region account",
    "s3": f"location! endpointUrl {_FILES}",
    "sftp": f"location! {_FILES}",
    "snowflake": "host port:integer|text account! database! schema! warehouse",
    "sqlserver": f"{_LOOSE} schema!",
    "synapse": _DATABASE,
    "teradata": "host! port:integer|text database",
    "trino": "host! port!:integer|text catalog! schema!",
    "vectorwise": _LOOSE,
    "versant": _EMBEDDED,
    "vertica": f"{_DATABASE} schema!",
    "zen": _LOOSE,
}
"""The fields of each type of server."""
_NEWER: Final = {
    **dict.fromkeys(["hive", "impala", "zen"], "@3.1"),
    **dict.fromkeys(
        ["btrieve", "exasol", "fastobjects", "hana", "iceberg", "ingres", "poet", "teradata", "vectorwise", "versant"],
        "@3.2",
    ),
}
_SERVER_TYPES: Final = ",".join(name + _NEWER.get(name, "") for name in SERVERS)

_OPERATORS: Final = (
    "mustBe:any mustNotBe:any mustBeGreaterThan:number mustBeGreaterOrEqualTo:number mustBeLessThan:number "
    "mustBeLessOrEqualTo:number mustBeBetween:[number] mustNotBeBetween:[number]"
)

_SHAPES: Final = {
    "contract": (
        "apiVersion! kind!:=DataContract id! version! name tenant tags:[text] status servers:[server] dataProduct "
        "description:description domain context:text|context^3.2 schema:[object] support:[support] price:price "
        "team:team|[member] roles:[role] slaDefaultElement slaProperties:[promise] contractCreatedTs "
        "authoritativeDefinitions:[link] customProperties:[custom]"
    ),
    "description": "usage purpose limitations authoritativeDefinitions:[link] customProperties:[custom]",
    "context": "instructions verifiedStatements:[statement] constraints:[constraint]",
    "statement": f"id question! answer {_TRIMMINGS}",
    "constraint": f"id constraint! {_TRIMMINGS}",
    "server": (f"id^3.1 server! type!:={_SERVER_TYPES} description environment roles:[role] customProperties:[custom]"),
    "object": (
        f"name! logicalType:=object,blob@3.1 {_ELEMENT} dataGranularityDescription properties:[property] "
        "relationships:[objectRelationship]^3.1 context:text|context^3.2"
    ),
    "property": f"name! {_PROPERTY}",
    "item": f"name {_PROPERTY} properties:[property]",
    "map": "key!:item value!:item",
    "value": f"value!:scalar label id description {_TRIMMINGS}",
    "synonym": "id synonym! description locale source status customProperties:[custom]",
    "objectRelationship": "id^3.2 type:=foreignKey from!:text|[text] to!:text|[text] customProperties:[custom]",
    "propertyRelationship": "id^3.2 type:=foreignKey to!:text|[text] customProperties:[custom]",
    "quality": (
        "id^3.1 type:=text,library,sql,custom name description "
        "dimension:=accuracy,completeness,conformity,consistency,coverage,timeliness,uniqueness method schedule "
        f"scheduler severity businessImpact unit {_TRIMMINGS}"
    ),
    "support": "id^3.1 channel! url description tool scope invitationUrl customProperties:[custom]^3.1",
    "price": "id^3.1 priceAmount:number priceCurrency priceUnit",
    "team": f"id name description members:[member] {_TRIMMINGS}",
    "member": f"id username! name description role dateIn dateOut replacedByUsername {_TRIMMINGS}",
    "role": "id^3.1 role! description access firstLevelApprovers secondLevelApprovers customProperties:[custom]",
    "promise": (
        "id^3.1 property! value!:scalar valueExt:scalar unit element driver description^3.1 scheduler^3.1 "
        "schedule^3.1 customProperties:[custom]^3.2 authoritativeDefinitions:[link]^3.2"
    ),
    "link": "id^3.1 url! type! description^3.1",
    "custom": "id^3.1 property! value!:any description^3.1 vendor^3.2",
    "noOptions": "",
    "stringOptions": "minLength:integer maxLength:integer pattern format",
    "dateOptions": _TIMES,
    "timeOptions": f"{_TIMES} timezone:flag defaultTimezone",
    "integerOptions": f"{_RANGE} format:=i8,i16,i32,i64,i128,u8,u16,u32,u64,u128",
    "numberOptions": f"{_RANGE} format:=f32,f64",
    "objectOptions": "maxProperties:integer minProperties:integer required:[text]",
    "arrayOptions": "maxItems:integer minItems:integer uniqueItems:flag",
    "vectorOptions": (
        "dimensions!:integer elementType:=bfloat16,binary,float16,float32,float64,int8,uint8 "
        "distanceMetric:=cosine,dotProduct,euclidean,hamming,manhattan embeddingModel embeddingModelVersion "
        "normalized:flag"
    ),
}

_OPTIONS: Final = {
    "": "logicalTypeOptions:noOptions properties:[property] items:item",
    "string": "logicalTypeOptions:stringOptions",
    "date": "logicalTypeOptions:dateOptions",
    "timestamp": "logicalTypeOptions:timeOptions",
    "time": "logicalTypeOptions:timeOptions",
    "integer": "logicalTypeOptions:integerOptions",
    "number": "logicalTypeOptions:numberOptions",
    "boolean": "logicalTypeOptions:mapping",
    "object": "logicalTypeOptions:objectOptions properties:[property]",
    "array": "logicalTypeOptions:arrayOptions items:item",
    "map": "map!:map^3.2 logicalTypeOptions:mapping",
    "vector": "logicalTypeOptions!:vectorOptions",
}

_RULE: Final = f"metric:=nullValues,missingValues,invalidValues,duplicateValues,rowCount^3.1 rule {_OPERATORS}"
_LIBRARY: Final = f"{_RULE} arguments:mapping^3.1"
_QUALITY: Final = {
    "": _LIBRARY,
    "text": _LIBRARY,
    "library": _LIBRARY,
    "sql": f"query! {_OPERATORS}",
    "custom": "engine! implementation!:text|mapping",
}

ODCS: Final = Grammar(
    name="ODCS",
    root="contract",
    shapes=_SHAPES | SHAPES,
    versions=((3, 0), (3, 1), (3, 2)),
    variants={"server": ("type", SERVERS), "property": ("logicalType", _OPTIONS), "item": ("logicalType", _OPTIONS),
              "quality": ("type", _QUALITY)},
    open_until={name: (3, 0) for name in _SHAPES if name not in ("contract", "object", "property", "item")}
    | {"description": (3, 2)},
)  # fmt: skip
"""Up to 3.0 only the contract, its objects and properties were closed; the description still is open."""
