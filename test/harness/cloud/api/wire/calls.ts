/** One request, from its arrival on. */
export interface CloudCall {
  /** Empty when the request did not say. */
  readonly action: string;
  /** The name that credentials were made for; empty when nobody knows the key. */
  readonly principal: string;
  /** The form as sent, by the names of the wire: `TagSpecification.1.Tag.1.Key`. */
  readonly form: Readonly<Record<string, string>>;
  /** As the SDK's user wrote them; undefined when they could not be read. */
  readonly parameters: unknown;
  /** When it arrived, by the endpoint's clock. */
  readonly atMs: number;
  /** What was answered; 0 while nothing is, and for ever when the connection went first. */
  readonly status: number;
  /** Code of the refusal; undefined when it was done. */
  readonly error: string | undefined;
}

export type OpenCall = { -readonly [Name in keyof CloudCall]: CloudCall[Name] };

/** What was asked of an endpoint, in order of arrival. */
export class Calls {
  readonly log: OpenCall[] = [];

  arrived(atMs: number): OpenCall {
    const call: OpenCall = {
      ...{ action: "", principal: "", form: {}, parameters: undefined, atMs },
      ...{ status: 0, error: undefined },
    };
    this.log.push(call);
    return call;
  }
}
