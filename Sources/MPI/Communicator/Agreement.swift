/// The error of ranks that hold different data where it must be equal.
package struct Disagreement: Error, Equatable, Sendable, CustomStringConvertible, ExitCodeProviding {
  /// The data that was compared, as the subject of a sentence.
  package let subject: String
  /// The lowest rank that differs from rank 0, and its machine.
  package let rank: Int
  package let hostname: String

  package var description: String { "\(subject) on rank \(rank) (\(hostname)) is not what rank 0 has" }

  package let exitCode: Int32
}

/// A piece of work that failed on at least one rank; the same value on all ranks.
public struct CollectiveFailure: Error, Equatable, Sendable, CustomStringConvertible, ExitCodeProviding {
  /// The lowest rank that failed, and its machine; nil if all ranks failed in the same way.
  public let origin: Origin?
  /// The description of that rank's error.
  public let message: String
  public let exitCode: Int32

  public struct Origin: Equatable, Sendable {
    public let rank: Int
    public let hostname: String
  }

  public var description: String {
    guard let origin else { return message }
    return "rank \(origin.rank) on \(origin.hostname): \(message)"
  }
}

extension CollectiveFailure {
  /// A failure that each rank has found on its own, with the same error.
  package init(_ error: some ExitCodeProviding) {
    self.init(origin: nil, message: "\(error)", exitCode: error.exitCode)
  }

  /// This failure without the rank, for work that only one rank does.
  package var withoutOrigin: CollectiveFailure {
    CollectiveFailure(origin: nil, message: message, exitCode: exitCode)
  }
}

extension Communicator {
  /// Verifies that all ranks hold equal data. Collective.
  ///
  /// - Parameters:
  ///   - fingerprint: a hash of the data.
  ///   - subject: the name of the data in the message, such as `the configuration`.
  ///   - exitCode: the exit code of the error.
  /// - Throws: the same `Disagreement` on every rank, or `MPIError`.
  package func agree(_ fingerprint: UInt64, about subject: String, exitCode: Int32 = 65) throws {
    let fingerprints = try allgather([fingerprint], counts: Array(repeating: 1, count: size))
    guard let differing = fingerprints.firstIndex(where: { $0 != fingerprints[0] }) else { return }
    throw Disagreement(
      subject: subject, rank: differing, hostname: try broadcast(hostname, root: differing), exitCode: exitCode)
  }

  /// Numbers that ranks have computed on their own and may branch on: rank 0's values, unless all ranks compute equal
  /// bits anyway. Collective.
  package func agreed(_ values: [Double]) throws(MPIError) -> [Double] {
    if computesAlike { return values }
    var result = values
    try result.withUnsafeMutableBufferPointer { buffer throws(MPIError) in try broadcast(buffer) }
    return result
  }

  /// Verifies that all ranks hold equal bytes, by their FNV-1a hash. Collective.
  package func agree(_ bytes: some Sequence<UInt8>, about subject: String, exitCode: Int32 = 65) throws {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    try agree(hash, about: subject, exitCode: exitCode)
  }

  /// The result of `body`, if it succeeds on all ranks: no rank continues, and then waits forever, when another has
  /// failed. Collective, at the cost of one allreduce; `body` is local.
  ///
  /// - Throws: the same `CollectiveFailure` on all ranks if `body` throws on any, or `MPIError`. The exit code is that
  ///   of the lowest failing rank's error, or 70 (an internal error) if the error has none.
  package func collectively<Value>(_ body: () throws -> Value) throws -> Value {
    let outcome = Result(catching: body)
    // The lowest rank that failed, or `size`.
    var failing = size
    if case .failure = outcome { failing = rank }
    failing = try allreduce(failing, .min)
    guard failing < size else { return try outcome.get() }

    var message = ""
    var code = Int64.min  // no exit code: this rank did not fail
    if case .failure(let error) = outcome {
      message = "\(error)"
      code = Int64((error as? any ExitCodeProviding)?.exitCode ?? 70)
    }
    let messages = try allgatherBytes(Array(message.utf8))
    let codes = try allgather([code], counts: Array(repeating: 1, count: size))
    let host = try broadcast(hostname, root: failing)
    let isAlike = (0..<size).allSatisfy { codes[$0] == codes[failing] && messages[$0] == messages[failing] }
    throw CollectiveFailure(
      origin: isAlike ? nil : CollectiveFailure.Origin(rank: failing, hostname: host),
      message: String(decoding: messages[failing], as: UTF8.self), exitCode: Int32(codes[failing]))
  }
}
