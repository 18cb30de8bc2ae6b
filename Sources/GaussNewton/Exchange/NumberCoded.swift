import MPI

/// A value that travels between ranks as 8-byte numbers. In one exchange, each value of a type has the same count.
package protocol NumberCoded {
  var numbers: [Double] { get }

  /// Consumes the value's numbers from the front.
  init(takingFrom numbers: inout ArraySlice<Double>)
}

extension NumberCoded {
  package init(numbers: [Double]) {
    var rest = numbers[...]
    self.init(takingFrom: &rest)
    precondition(rest.isEmpty, "\(Self.self) has fewer numbers")
  }
}

extension Double: NumberCoded {
  package var numbers: [Double] { [self] }
  package init(takingFrom numbers: inout ArraySlice<Double>) { self = numbers.removeFirst() }
}

/// Consumes all remaining numbers.
extension [Double]: NumberCoded {
  package var numbers: [Double] { self }

  package init(takingFrom numbers: inout ArraySlice<Double>) {
    self = Array(numbers)
    numbers = []
  }
}

extension Int: NumberCoded {
  package var numbers: [Double] { [Double(self)] }
  package init(takingFrom numbers: inout ArraySlice<Double>) { self.init(numbers.removeFirst()) }
}

extension Bool: NumberCoded {
  package var numbers: [Double] { [self ? 1 : 0] }
  package init(takingFrom numbers: inout ArraySlice<Double>) { self = numbers.removeFirst() > 0 }
}

extension Optional: NumberCoded where Wrapped: NumberCoded & ExpressibleByIntegerLiteral {
  package var numbers: [Double] { [self == nil ? 0 : 1] + (self ?? 0).numbers }

  package init(takingFrom numbers: inout ArraySlice<Double>) {
    let isPresent = Bool(takingFrom: &numbers)
    let value = Wrapped(takingFrom: &numbers)
    self = isPresent ? value : nil
  }
}

extension NumberCoded where Self: CaseIterable & Equatable, AllCases == [Self] {
  package var numbers: [Double] { [Double(Self.allCases.firstIndex(of: self)!)] }
  package init(takingFrom numbers: inout ArraySlice<Double>) { self = Self.allCases[Int(takingFrom: &numbers)] }
}

extension SolverSummary.Method: NumberCoded {}
extension SolverSummary.Termination: NumberCoded {}

extension SolverSummary: NumberCoded {
  package var numbers: [Double] { method.numbers + iterations.numbers + residual.numbers + termination.numbers }

  package init(takingFrom numbers: inout ArraySlice<Double>) {
    self.init(
      method: Method(takingFrom: &numbers), iterations: Int(takingFrom: &numbers),
      residual: Double(takingFrom: &numbers), termination: Termination(takingFrom: &numbers))
  }
}

extension Communicator {
  /// The value of rank 0, on all ranks. Collective.
  func broadcastValue<Value: NumberCoded>(_ value: Value) throws -> Value {
    Value(numbers: try broadcast(value.numbers))
  }

  /// The values of all ranks in order, given the count of numbers for each. Collective.
  func allgatherValues<Value: NumberCoded>(_ value: Value, counts: [Int]) throws -> [Value] {
    var rest = try allgather(value.numbers, counts: counts)[...]
    return counts.map { count in
      defer { rest = rest.dropFirst(count) }
      return Value(numbers: Array(rest.prefix(count)))
    }
  }
}
