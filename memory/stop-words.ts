/**
 * Words that say little about what a text is about, in English, German, French and Spanish, without
 * diacritics. They are damped, not dropped: "to be or not to be" stays
 * a text.
 */
export const STOP_WORDS: ReadonlySet<string> = new Set(
  [
    "a about after all also am an and any are as at be because been before being but by can could did do does for from",
    "had has have he her here him his how i if in into is it its just me more most my no not of on once only or other",
    "our out over own she should so some such than that the their them then there these they this those to too under up",
    "us very was we were what when where which while who whom why will with would you your",
    "aber als am auch auf aus bei bin bis bist da damit dann das dass dem den der des die dies diese dieser du durch ein",
    "eine einem einen einer eines er es fur hat haben hatte ich ihr im in ist ja kann kein keine mit nach nicht noch nun",
    "nur ob oder ohne sehr sein seine sich sie sind so uber um und uns unter vom von vor war waren was wenn wer wie wir",
    "wird zu zum zur",
    "au aux avec ce ces dans de des du elle en est et eux il ils je la le les leur lui ma mais mes moi mon ne nos notre",
    "nous on ou par pas pour qu que qui sa se ses son sur ta te tes toi ton tu un une vos votre vous",
    "al como con del el ella ellas ellos era eres es esta este esto fue ha hay las lo los mas muy nosotros o para pero por",
    "porque se sin sobre su sus tambien tiene una uno y yo",
  ].flatMap((line) => line.split(" ")),
);
