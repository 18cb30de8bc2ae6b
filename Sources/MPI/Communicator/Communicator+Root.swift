extension Communicator {
  /// Whether this rank owns files and the terminal, and decides for all.
  public var isRoot: Bool { rank == 0 }

  /// The result of `body` on rank 0, nil elsewhere. An error is thrown on all ranks. Collective.
  @discardableResult
  public func onRoot<Value>(_ body: () throws -> Value) throws -> Value? {
    do {
      return try collectively { isRoot ? try body() : nil }
    } catch let failure as CollectiveFailure {
      // Only rank 0 can fail, so naming it adds nothing.
      throw failure.withoutOrigin
    }
  }
}
