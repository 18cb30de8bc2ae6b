extension Communicator {
  /// Whether this is the rank that owns files and the terminal, and has the last word.
  package var isRoot: Bool { rank == 0 }

  /// The result of `body` on rank 0, nil elsewhere. An error is thrown on every rank. Collective.
  @discardableResult
  package func onRoot<Value>(_ body: () throws -> Value) throws -> Value? {
    do {
      return try collectively { isRoot ? try body() : nil }
    } catch let failure as CollectiveFailure {
      // Only rank 0 could fail: that it did says nothing.
      throw failure.withoutOrigin
    }
  }
}
