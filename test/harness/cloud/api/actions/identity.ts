import { plainAnswerXml } from "../wire/answer.ts";
import type { Call } from "./action.ts";

/** The one action of STS that everybody may use. It has its own version and form of answer. */
export const identity = {
  name: "GetCallerIdentity",
  version: "2011-06-15",
  answer({ account, caller }: Call, accessKeyId: string, requestId: string): string {
    const result = { Arn: caller, UserId: accessKeyId.replace(/^A.IA/, "AIDA"), Account: account.accountId };
    return plainAnswerXml("GetCallerIdentity", result, requestId);
  },
} as const;
