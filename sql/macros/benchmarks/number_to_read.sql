-- A regular expression for a question about a number that stands in the picture: nothing is counted.
create macro number_to_read() as
    '(?:番号|数字|ナンバー|速度|値段|価格|料金|得点|点数|スコア|時刻|号数|ゼッケン|日付)(?:は|って|が)?(?:、)?(?:(?:いくつ|いくら)(?:です|でしょう|と|か|[?？。\s]*$)|何|なん|なに|どう)'
    || '|いくら(?:です|でしょう|と|しま)|何(?:キロ|㎞|km|円|ドル|番線|番出口|番地|号車|号線|番の|番で|番と|番が|系統)|時計.*何時|何時(?:何分)?を(?:指|示|さ)';
