extension Decoder {
  /// A value, or nil where a word stands in its place; throws with `problem` for anything else.
  package func value<Value: Decodable>(
    _: Value.Type, orWord word: String, problem: String, where isValid: (Value) -> Bool = { _ in true }
  ) throws -> Value? {
    let container = try singleValueContainer()
    if let value = try? container.decode(Value.self), isValid(value) { return value }
    if (try? container.decode(String.self)) == word { return nil }
    throw DecodingError.dataCorruptedError(in: container, debugDescription: problem)
  }
}
