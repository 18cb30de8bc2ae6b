/// The hosts that a run may use, with what is known of each. Times are seconds of one clock that never goes back.
package struct HostPool: Equatable, Sendable {
  /// Failures of a host in a row after which it is left out.
  private let limit: Int
  /// Seconds for which it is left out.
  package static let exclusion = 600.0

  private struct Record: Equatable {
    var strikes = 0
    var excludedUntil: Double?
  }

  private var records: [String: Record] = [:]

  package init(limit: Int = 3) { self.limit = limit }

  /// Counts an attempt on `hosts` that failed on one of them, if that is known.
  ///
  /// Whoever took part and is not to blame begins anew. Returns whether the host is left out from now on.
  @discardableResult
  package mutating func note(failedOn culprit: String?, of hosts: [String], at now: Double) -> Bool {
    guard let culprit, hosts.contains(culprit) else { return false }
    for host in hosts where host != culprit { records[host] = nil }
    records[culprit, default: Record()].strikes += 1
    guard records[culprit]!.strikes >= limit else { return false }
    records[culprit] = Record(excludedUntil: now + Self.exclusion)
    return true
  }

  /// Whether a host is left out for its failures.
  package func excludes(_ host: String, at now: Double) -> Bool {
    records[host]?.excludedUntil.map { $0 > now } ?? false
  }

  /// The hosts for an attempt, of those that answer, in their order; nil where they are fewer than `minimum`.
  ///
  /// A host that failed before is better than none: those that are left out come back where the others are too few.
  package func choice(of answering: [String], minimum: Int, at now: Double) -> [String]? {
    guard answering.count >= minimum else { return nil }
    let good = answering.filter { !excludes($0, at: now) }
    if good.count >= minimum { return good }
    let needed = answering.filter { excludes($0, at: now) }
      .sorted { records[$0]!.excludedUntil! < records[$1]!.excludedUntil! }.prefix(minimum - good.count)
    return answering.filter { good.contains($0) || needed.contains($0) }
  }
}
