import MPI
import TestSupport
import Testing

@Suite(.serialized) struct BroadcastCollectiveTests {
  let world = World.communicator

  func chunked(_ limit: Int) throws -> Communicator {
    let own = try world.split(color: 0, key: world.rank)
    own.chunkLimit = limit
    return own
  }

  func check<Element: MPIDatatype>(_: Element.Type, on communicator: Communicator) throws {
    for root in 0..<communicator.size {
      let expected: [Element] = (0..<10).map { Element(exactly: $0 + 20 * root)! }
      var values: [Element] = (0..<10).map { Element(exactly: $0 + 20 * communicator.rank)! }
      try values.withUnsafeMutableBufferPointer { try communicator.broadcast($0, root: root) }
      #expect(values == expected)
      #expect(try communicator.broadcast(Element(exactly: communicator.rank)!, root: root) == Element(exactly: root)!)
    }
  }

  @Test(arguments: [3, Int(Int32.max)])
  func `Every rank's buffer of every type reaches all`(limit: Int) throws {
    let own = try chunked(limit)
    try check(Float.self, on: own)
    try check(Double.self, on: own)
    try check(Int32.self, on: own)
    try check(Int64.self, on: own)
    try check(Int.self, on: own)
    try check(UInt8.self, on: own)
    try check(UInt64.self, on: own)
  }

  @Test(arguments: [3, Int(Int32.max)], [0, 1, 5, 1000])
  func `Arrays arrive at ranks that do not know their count`(limit: Int, count: Int) throws {
    let own = try chunked(limit)
    let root = own.size - 1
    let bytes = (0..<count).map { UInt8($0 % 251) }
    // The arrays of the other ranks are longer, and ignored.
    let mine = own.rank == root ? bytes : [UInt8](repeating: 7, count: 2000)
    #expect(try own.broadcast(mine, root: root) == bytes)
    #expect(try own.broadcast(own.rank == root ? [0.5, 1.5] : [], root: root) == [0.5, 1.5])
  }

  @Test(arguments: ["", "layers: [784, 10]\n", "Größe π 日本 👩‍💻"])
  func `Text arrives unchanged`(text: String) throws {
    for root in 0..<world.size {
      #expect(try world.broadcast(world.rank == root ? text : "something else", root: root) == text)
    }
  }

  @Test func `An empty buffer is no message`() throws {
    try world.broadcast(UnsafeMutableBufferPointer<Double>(start: nil, count: 0))
    #expect(try world.allreduce(1) == world.size)
  }
}
