import { element } from "../../../s3/xml.ts";

/** Codes whose answer is not a plain 400. */
const statuses: Readonly<Record<string, number>> = {
  AuthFailure: 401,
  DryRunOperation: 412,
  InsufficientInstanceCapacity: 500,
  InternalError: 500,
  MissingAuthenticationToken: 403,
  RequestLimitExceeded: 503,
  Unavailable: 503,
  UnauthorizedOperation: 403,
};

/** An answer that refuses a request. Thrown anywhere, turned into XML at one place. */
export class Ec2Error extends Error {
  readonly code: string;
  readonly status: number;

  constructor(code: string, message: string, status = statuses[code] ?? 400) {
    super(message);
    this.name = code;
    this.code = code;
    this.status = status;
  }
}

export function errorXml({ code, message }: Ec2Error, requestId: string): string {
  return element("Response", { Errors: { Error: { Code: code, Message: message } }, RequestID: requestId });
}

export function unauthorized(caller: string, action: string): Ec2Error {
  return new Ec2Error(
    "UnauthorizedOperation",
    `You are not authorized to perform this operation. User: ${caller} is not authorized to perform: ${action} because no identity-based policy allows the ${action} action.`,
  );
}
