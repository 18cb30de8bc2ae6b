extension Communicator {
  /// An operation between ranks, as this process took part in it.
  public struct Operation: Equatable, Sendable {
    public enum Kind: String, Sendable {
      case allreduce, allgather, gather, broadcast
      case reduceScatter = "reduce-scatter"
      /// A message to or from one rank, of a sum in the order of ranks.
      case message
      /// The start of a sum that goes on during the work after it, and the wait for the sums that have been started.
      case startedSum = "started-sum"
      case wait
    }

    public let kind: Kind
    /// The bytes of the buffer, of gathers with the parts of all ranks; 0 for a wait.
    public let bytes: Int
    /// Seconds of work since the operation before, or since the record began.
    public let before: Double
    /// Seconds in the operation.
    public let seconds: Double
  }

  /// Begins to record the operations of this communicator. Local.
  public func beginRecord() { record = Record(operations: [], end: monotonicSeconds()) }

  /// The operations since the record began, which ends; empty without one. Local.
  public func endRecord() -> [Operation] {
    defer { record = nil }
    return record?.operations ?? []
  }

  /// Adds an operation that began at `start` to the record, if there is one.
  func note(_ kind: Operation.Kind, _ bytes: Int, since start: Double) {
    let end = monotonicSeconds()
    for recorder in recorders {
      guard let before = recorder.record?.end else { continue }
      recorder.record!.operations.append(
        Operation(kind: kind, bytes: bytes, before: start - before, seconds: end - start))
      recorder.record!.end = end
    }
  }

  struct Record {
    var operations: [Operation]
    /// When the last operation ended.
    var end: Double
  }
}
