extension Communicator {
  /// Whether this rank owns files and the terminal, and decides for all.
  public var isRoot: Bool { rank == 0 }

  /// The result of `body` on rank 0, nil elsewhere. An error is thrown on all ranks. Collective.
  @discardableResult
  public func onRoot<Value>(_ body: () throws -> Value) throws -> Value? { try on(isRoot, body) }

  /// The result of `body` on the ranks that are to call it, which fail together or are one; nil on others. Throws on all ranks
  /// if it fails. Collective.
  package func on<Value>(_ isCaller: Bool, _ body: () throws -> Value) throws -> Value? {
    do {
      return try collectively { isCaller ? try body() : nil }
    } catch let failure as CollectiveFailure {
      // No other rank can fail, so naming it adds nothing.
      throw failure.withoutOrigin
    }
  }
}
