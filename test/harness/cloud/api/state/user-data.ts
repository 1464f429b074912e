import { Ec2Error } from "../wire/errors.ts";

/** The bytes of user data, which come as base64. Throws for what is none, and for more than EC2 takes. */
export function userDataOf(text: string | undefined, limit: number): Buffer {
  const plain = (text ?? "").replace(/\s/g, "");
  const bare = plain.replace(/=+$/, "");
  const isPadded = bare.length === plain.length || plain.length % 4 === 0;
  if (!/^[A-Za-z\d+/]*={0,2}$/.test(plain) || bare.length % 4 === 1 || !isPadded) {
    throw new Ec2Error("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.");
  }
  const bytes = Buffer.from(plain, "base64");
  if (bytes.length > limit) {
    throw new Ec2Error("InvalidParameterValue", `User data is limited to ${limit} bytes`);
  }
  return bytes;
}
