// Validates the OpenAPI document on standard input; prints what is wrong and exits 1.
import { Validator } from "@seriousme/openapi-schema-validator";
import { readFileSync } from "node:fs";

const validator = new Validator();
const result = await validator.validate(JSON.parse(readFileSync(0, "utf8")));
if (!result.valid) {
    console.log(JSON.stringify(result.errors, null, 1));
    process.exit(1);
}
console.log(validator.version);
