internal import CMPI

extension Communicator {
  /// buffer ← the elements of rank `root`. Collective.
  public func broadcast<Element: MPIDatatype>(
    _ buffer: UnsafeMutableBufferPointer<Element>, root: Int = 0
  ) throws(MPIError) {
    try broadcast(UnsafeMutableRawBufferPointer(buffer), root: root)
  }

  /// The value of rank `root`, on all ranks. Collective.
  public func broadcast<Element: MPIDatatype>(_ value: Element, root: Int = 0) throws(MPIError) -> Element {
    var result = value
    try withUnsafeMutablePointer(to: &result) { pointer throws(MPIError) in
      try broadcast(UnsafeMutableBufferPointer(start: pointer, count: 1), root: root)
    }
    return result
  }

  /// The array of rank `root`, on all ranks. Other ranks need not know its count; their argument is ignored.
  /// Collective.
  public func broadcast<Element: MPIDatatype>(_ values: [Element], root: Int = 0) throws(MPIError) -> [Element] {
    let count = try broadcast(values.count, root: root)
    var result = rank == root ? values : Array(repeating: 0, count: count)
    try result.withUnsafeMutableBufferPointer { buffer throws(MPIError) in try broadcast(buffer, root: root) }
    return result
  }

  /// The text of rank `root`, on all ranks; the argument of other ranks is ignored. Collective.
  public func broadcast(_ text: String, root: Int = 0) throws(MPIError) -> String {
    let bytes = try broadcast(Array(text.utf8), root: root)
    return rank == root ? text : String(decoding: bytes, as: UTF8.self)
  }

  func broadcast(_ bytes: UnsafeMutableRawBufferPointer, root: Int) throws(MPIError) {
    precondition(root >= 0 && root < size, "no such rank")
    guard let handle, let base = bytes.baseAddress else { return }
    try waiting(.broadcast, bytes.count) { () throws(MPIError) in
      try forEachChunk(of: bytes.count) { offset, count throws(MPIError) in
        try check(fgn_broadcast(base + offset, count, Int32(root), handle), "MPI_Bcast")
      }
    }
  }
}
