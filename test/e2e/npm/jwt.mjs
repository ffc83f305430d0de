// Signs and verifies as told by a JSON array on standard input; answers with an array.
import { SignJWT, jwtVerify } from "jose";
import jsonwebtoken from "jsonwebtoken";
import { readFileSync } from "node:fs";

const out = [];
for (const t of JSON.parse(readFileSync(0, "utf8"))) {
    const key = new TextEncoder().encode(t.secret);
    try {
        if (t.do === "sign") {
            const token = t.by === "jose"
                ? await new SignJWT(t.payload).setProtectedHeader({ alg: t.alg, typ: "JWT" }).sign(key)
                : jsonwebtoken.sign(t.payload, t.secret, { algorithm: t.alg, noTimestamp: true });
            out.push({ token });
        } else {
            const payload = t.by === "jose"
                ? (await jwtVerify(t.token, key, { algorithms: [t.alg] })).payload
                : jsonwebtoken.verify(t.token, t.secret, { algorithms: [t.alg] });
            out.push({ payload });
        }
    } catch (e) {
        out.push({ error: e.code || e.message });
    }
}
process.stdout.write(JSON.stringify(out));
