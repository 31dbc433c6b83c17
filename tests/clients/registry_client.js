// One task with the stock JavaScript clients, nothing of Hansa in it.
//
//     node registry_client.js NODE_MODULES URL TOKEN TASK ARGUMENTS(JSON) > result(JSON)

const [modules, url, token, task, given] = process.argv.slice(2);
const from = (name) => require(`${modules}/${name}`);

// @kafkajs/confluent-schema-registry: the latest schema of a subject, a record written with it and read again.
async function kafkajs({ subject, record }) {
  const { SchemaRegistry } = from("@kafkajs/confluent-schema-registry");
  const registry = new SchemaRegistry({ host: `${url}/schema-registry`, auth: { username: "hansa", password: token } });
  const id = await registry.getLatestSchemaId(subject);
  return [id, await registry.decode(await registry.encode(id, record))];
}

// @confluentinc/schemaregistry, for each case: a record written with the latest schema of a topic, read with settings.
async function confluent({ cases }) {
  const { JsonataExecutor } = from("@confluentinc/schemaregistry/dist/rules/jsonata/jsonata-executor");
  const found = from("@confluentinc/schemaregistry");
  JsonataExecutor.register();
  const client = new found.SchemaRegistryClient({
    baseURLs: [`${url}/schema-registry`],
    bearerAuthCredentials: {
      credentialsSource: "STATIC_TOKEN", token, logicalCluster: "hansa", identityPoolId: "hansa",
    },
  });
  const kinds = { avro: ["AvroSerializer", "AvroDeserializer"], json: ["JsonSerializer", "JsonDeserializer"] };
  const results = [];
  for (const { form, topic, record, read } of cases) {
    const [writer, reader] = kinds[form];
    const settings = { useLatestVersion: true, autoRegisterSchemas: false };
    const bytes = await new found[writer](client, found.SerdeType.VALUE, settings).serialize(topic, record);
    results.push(await new found[reader](client, found.SerdeType.VALUE, read).deserialize(topic, bytes));
  }
  return results;
}

({ kafkajs, confluent })[task](JSON.parse(given))
  .then((result) => console.log(JSON.stringify({ result })))
  .catch((error) => console.log(JSON.stringify({ error: String(error.message || error), stack: error.stack })));
