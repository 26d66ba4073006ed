/** What can go wrong between a program and the service. */

export class ServiceError extends Error {
  name = "ServiceError";

  /** `problem` is the service's answer, parsed: see docs/errors.md of the service. */
  constructor(status, problem = {}, retryAfter = null) {
    const code = String(problem.code ?? `http_${status}`);
    const detail = String(problem.detail || problem.title || `the service answered ${status}`);
    super(`${detail} (${code})`);
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.field = /^([^ ]*?): /.exec(detail)?.[1] ?? "";
    this.retryable = problem.retryable === true;
    this.retryAfter = retryAfter;
    this.requestId = String(problem.request_id ?? "");
  }
}

export class Unreachable extends Error {
  name = "Unreachable";
}

export class TimedOut extends Error {
  name = "TimedOut";
}

export class UnverifiedMessage extends Error {
  name = "UnverifiedMessage";
}
